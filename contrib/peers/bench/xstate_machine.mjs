// SPDX-License-Identifier: MIT OR Apache-2.0
// XState's side of the machine's races: a transition, putting an actor away and taking it back, memory of an idle one.
// Prints `name value unit` lines; run with --expose-gc.
import {createMachine, createActor, assign} from 'xstate';

const counter = createMachine({
  id: 'counter', initial: 'even', context: {n: 0},
  states: {
    even: {on: {T: {target: 'odd', guard: ({context}) => context.n >= 0, actions: assign({n: ({context}) => context.n + 1})}}},
    odd: {on: {T: 'even'}},
  },
});

// The support desk while it waits for a model: three slots filled, one effect pending.
const support = createMachine({
  id: 'support', initial: 'idle', context: {asked: null, order: '', amount: 0, notes: ''},
  states: {
    idle: {on: {MESSAGE: {target: 'triage', actions: assign({asked: ({event}) => event.text})}}},
    triage: {on: {PICKED: {target: 'idle'}}},
  },
});

function median(iterations, run) {
  run(Math.min(iterations, 20000));
  const runs = [];
  for (let i = 0; i < 5; i++) {
    const begun = process.hrtime.bigint();
    run(iterations);
    runs.push(Number(process.hrtime.bigint() - begun) / iterations);
  }
  return runs.sort((a, b) => a - b)[2];
}

const actor = createActor(counter).start();
console.log('xstate_send', median(200000, n => { for (let i = 0; i < n; i++) actor.send({type: 'T'}); }).toFixed(1), 'ns');

const waiting = createActor(support).start();
waiting.send({type: 'MESSAGE', text: 'My order A7 has not arrived, I want my money back.'});
let text = JSON.stringify(waiting.getPersistedSnapshot());
console.log('xstate_persist', median(50000, n => { for (let i = 0; i < n; i++) text = JSON.stringify(waiting.getPersistedSnapshot()); }).toFixed(1), 'ns');
console.log('xstate_persist_resume', median(20000, n => {
  for (let i = 0; i < n; i++) {
    const stored = JSON.stringify(waiting.getPersistedSnapshot());
    const again = createActor(support, {snapshot: JSON.parse(stored)}).start();
    again.send({type: 'PICKED'});
  }
}).toFixed(1), 'ns');
console.log('xstate_snapshot', text.length, 'bytes');

globalThis.gc();
const before = process.memoryUsage().heapUsed;
const actors = [];
for (let i = 0; i < 20000; i++) actors.push(createActor(support).start());
globalThis.gc();
console.log('xstate_actor', ((process.memoryUsage().heapUsed - before) / actors.length).toFixed(0), 'bytes');
