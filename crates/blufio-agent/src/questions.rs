// SPDX-License-Identifier: MIT OR Apache-2.0
//! Open questions to people. The store holds them; this copy lets the front door decide about a message without
//! asking it: whose question a message answers, or that it answers none.

use std::sync::Mutex;

use blufio_core::message::{Address, Inbound};
use blufio_core::store::{Asking, NewOutbox, Question, QuestionChange, QuestionKind, QuestionRow};

use crate::internal::{Answer, Internal};
use crate::shared::lock;

const YES: [&str; 6] = ["yes", "y", "ok", "ja", "👍", "yes."];
const NO: [&str; 6] = ["no", "n", "nein", "👎", "no.", "nope"];

/// The open questions.
#[derive(Default)]
pub(crate) struct Questions {
    known: Mutex<Vec<Known>>,
}

struct Known {
    /// `None` until the commit that asks it.
    id: Option<i64>,
    key: String,
    asking: Asking,
    question: Question,
    /// The channel's id of the message that shows it, once it has one.
    message_id: Option<String>,
}

/// An open question that a message may answer.
struct Open {
    id: i64,
    key: String,
    asking: Asking,
    question: Question,
    message_id: Option<String>,
}

/// What a message is to the open questions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// It answers one: mail for the session that asks.
    Answer { key: String, mail: Internal, change: QuestionChange },
    /// It belongs to the conversation of this session.
    Talk(String),
    /// The sender is told something; the question stays open.
    Told { answer: NewOutbox, change: Option<QuestionChange> },
}

impl Questions {
    /// What a start found in the store.
    pub fn load(&self, rows: Vec<QuestionRow>) {
        let known = |row: QuestionRow| Known {
            id: Some(row.id),
            key: row.key,
            asking: row.asking,
            question: row.question,
            message_id: row.message_id,
        };
        *lock(&self.known) = rows.into_iter().map(known).collect();
    }

    /// A short number that no open question of the chat has, kept for this one.
    pub fn label(&self, key: &str, asking: Asking, question: &Question) -> u32 {
        let mut known = lock(&self.known);
        let same = |k: &Known| {
            k.key == key
                && k.asking == asking
                && k.question.address == question.address
                && k.question.person == question.person
        };
        known.retain(|k| !same(k));
        let taken: Vec<u32> = known
            .iter()
            .filter(|k| k.question.address == question.address)
            .map(|k| k.question.label)
            .collect();
        let label = (1..).find(|label| !taken.contains(label)).unwrap_or(u32::MAX);
        let question = Question { label, ..question.clone() };
        known.push(Known { id: None, key: key.to_string(), asking, question, message_id: None });
        label
    }

    /// The commit that asks it gave it an id.
    pub fn asked(&self, key: &str, asking: Asking, question: Question, id: i64) {
        let mut known = lock(&self.known);
        let same = |k: &Known| {
            k.key == key
                && k.asking == asking
                && k.question.address == question.address
                && k.question.person == question.person
        };
        known.retain(|k| !same(k));
        known.push(Known { id: Some(id), key: key.to_string(), asking, question, message_id: None });
    }

    /// A message of the outbox stands in its chat.
    pub fn shown(&self, outbox: i64, message_id: &str) {
        for k in lock(&self.known).iter_mut().filter(|k| k.question.outbox == Some(outbox)) {
            k.message_id = Some(message_id.to_string());
        }
    }

    /// The questions of an effect are closed.
    pub fn closed(&self, key: &str, visit: u64, number: u32) {
        lock(&self.known).retain(|k| k.key != key || k.asking.visit != visit || k.asking.number != number);
    }

    /// What was about to be asked was not committed.
    pub fn unasked(&self, key: &str) {
        lock(&self.known).retain(|k| k.key != key || k.id.is_some());
    }

    /// A session ended, and its questions with it.
    pub fn ended(&self, key: &str) {
        lock(&self.known).retain(|k| k.key != key);
    }

    /// Whether nobody is asked anything.
    pub fn is_empty(&self) -> bool {
        lock(&self.known).is_empty()
    }

    /// A change is durable.
    pub fn changed(&self, change: &QuestionChange) {
        let mut known = lock(&self.known);
        match &change.question {
            None => known.retain(|k| k.id != Some(change.id)),
            Some(question) => {
                for k in known.iter_mut().filter(|k| k.id == Some(change.id)) {
                    k.question = question.clone();
                }
            }
        }
    }

    /// What a message is, after the changes that earlier messages of the same batch made.
    pub fn hear(&self, message: &Inbound, earlier: &[QuestionChange]) -> Option<Heard> {
        let open: Vec<Open> = {
            let known = lock(&self.known);
            let current = |k: &Known| {
                let id = k.id?;
                let question = match earlier.iter().rev().find(|change| change.id == id) {
                    Some(change) => change.question.clone()?,
                    None => k.question.clone(),
                };
                let (key, asking, message_id) = (k.key.clone(), k.asking, k.message_id.clone());
                is_for(&question, message).then_some(Open { id, key, asking, question, message_id })
            };
            known.iter().filter_map(current).collect()
        };
        decide(message, &open)
    }
}

fn is_for(question: &Question, message: &Inbound) -> bool {
    let same_place = |a: &Address, b: &Address| (&a.channel, &a.chat) == (&b.channel, &b.chat);
    same_place(&question.address, &message.address)
        && (question.person.is_empty() || question.person == message.sender.id)
}

fn decide(message: &Inbound, open: &[Open]) -> Option<Heard> {
    // A command is for the agent that the chat belongs to; forwarded words are nobody's answer.
    if open.is_empty() || !message.own_words || message.text.trim_start().starts_with('/') {
        return None;
    }
    let text = message.text.trim();
    // Only words answer: a sign or a correction may have been meant otherwise.
    let waits =
        |q: &Question| message.kind.is_message() && !matches!(q.kind, QuestionKind::Conversation { .. });
    let waiting: Vec<_> = open.iter().filter(|o| waits(&o.question)).collect();
    let quoted = quoted(message, &waiting);
    let (number, rest) = numbered(text);
    let numbered = number.and_then(|number| waiting.iter().find(|o| o.question.label == number));
    let (chosen, words) = match (quoted, numbered, waiting.as_slice()) {
        (Some(chosen), ..) => (chosen, text),
        (None, Some(chosen), _) => (*chosen, rest),
        (None, None, [only]) => (*only, text),
        (None, None, []) => {
            return open.iter().find_map(|o| match &o.question.kind {
                QuestionKind::Conversation { key } => Some(Heard::Talk(key.clone())),
                _ => None,
            });
        }
        (None, None, several) => return which(message, text, several),
    };
    answer(message, chosen, words)
}

/// The question that a message is a reply to: by the id of the message that shows it, by its words where an id is not
/// known.
fn quoted<'q>(message: &Inbound, waiting: &[&'q Open]) -> Option<&'q Open> {
    let id = message.quoted_id.as_ref();
    if let Some(found) = waiting.iter().find(|o| id.is_some() && o.message_id.as_ref() == id) {
        return Some(found);
    }
    let words = message.quoted.as_deref().map(str::trim).filter(|words| !words.is_empty())?;
    let may_be = |o: &&&Open| (id.is_none() || o.message_id.is_none()) && o.question.text.starts_with(words);
    waiting.iter().find(may_be).copied()
}

/// `2 yes`: the number, and what follows.
fn numbered(text: &str) -> (Option<u32>, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match first.trim_end_matches(['.', ')', ':']).parse() {
        Ok(number) if !rest.trim().is_empty() => (Some(number), rest.trim()),
        _ => (None, text),
    }
}

/// Several questions wait and nothing says which one is answered.
fn which(message: &Inbound, text: &str, several: &[&Open]) -> Option<Heard> {
    let fits = |q: &Question| q.kind == QuestionKind::Words || yes_or_no(text).is_some();
    // Words that answer none of them are not held back.
    if !several.iter().any(|o| fits(&o.question)) {
        return None;
    }
    let numbers: Vec<String> = several.iter().map(|o| format!("`{} …`", o.question.label)).collect();
    let told = format!("Several questions wait. Please put the number first: {}.", numbers.join(" or "));
    Some(Heard::Told { answer: tell(&message.address, told), change: None })
}

fn tell(address: &Address, text: String) -> NewOutbox {
    NewOutbox::now(address.clone(), text)
}

fn yes_or_no(text: &str) -> Option<bool> {
    let word = text.trim().to_lowercase();
    let word = word.trim_end_matches('!');
    if YES.contains(&word) { Some(true) } else { NO.contains(&word).then_some(false) }
}

fn answer(message: &Inbound, chosen: &Open, words: &str) -> Option<Heard> {
    let Open { id, key, asking, question, .. } = chosen;
    let close = QuestionChange { id: *id, question: None };
    let mail = |answer| Internal::Answer {
        asking: *asking,
        question: *id,
        answer,
        inbound: Box::new(message.clone()),
    };
    let heard = |answer| Heard::Answer { key: key.clone(), mail: mail(answer), change: close };
    let QuestionKind::Approval { editing } = question.kind else {
        return (!words.is_empty()).then(|| heard(Answer::Says(words.to_string())));
    };
    let change = |question: Question| Some(QuestionChange { id: *id, question: Some(question) });
    match yes_or_no(words) {
        Some(true) => Some(heard(Answer::Yes(question.correction.clone()))),
        Some(false) => Some(heard(Answer::No)),
        None if editing && !words.is_empty() => {
            let told = format!("It will read:\n{words}\n\nyes or no?");
            let corrected = Question { correction: Some(words.to_string()), ..question.clone() };
            Some(Heard::Told { answer: tell(&message.address, told), change: change(corrected) })
        }
        // Told once what an answer is, they may talk about something else meanwhile.
        None if question.reminded => None,
        None => {
            let told = "Please answer yes or no.".to_string();
            let reminded = Question { reminded: true, ..question.clone() };
            Some(Heard::Told { answer: tell(&message.address, told), change: change(reminded) })
        }
    }
}

#[cfg(test)]
mod tests {
    use blufio_core::message::{ChatKind, InboundKind, Sender};

    use super::*;

    fn question(label: u32, kind: QuestionKind) -> Question {
        Question {
            address: Address { channel: "c".into(), chat: "7".into(), thread: None },
            person: "7".into(),
            kind,
            text: format!("Question {label}"),
            label,
            correction: None,
            reminded: false,
            outbox: None,
        }
    }

    fn says(text: &str, quoted: Option<&str>) -> Inbound {
        Inbound {
            kind: InboundKind::Message,
            source_id: "1".into(),
            address: Address { channel: "c".into(), chat: "7".into(), thread: None },
            chat: ChatKind::Private,
            sender: Sender { id: "7".into(), name: "Ada".into() },
            text: text.into(),
            own_words: true,
            quoted: quoted.map(str::to_string),
            quoted_id: None,
            message_id: None,
            sent_ms: 0,
            attachments: Vec::new(),
        }
    }

    fn open(kinds: &[QuestionKind]) -> Questions {
        let questions = Questions::default();
        for (at, kind) in kinds.iter().enumerate() {
            let asking = Asking { visit: 1, number: at as u32, call: 0 };
            let mut asked = question(0, kind.clone());
            asked.label = questions.label("k", asking, &asked);
            asked.text = format!("Question {}", asked.label);
            questions.asked("k", asking, asked, at as i64 + 1);
        }
        questions
    }

    const APPROVAL: QuestionKind = QuestionKind::Approval { editing: false };

    fn answered(questions: &Questions, text: &str, quoted: Option<&str>) -> Option<(i64, Answer)> {
        match questions.hear(&says(text, quoted), &[])? {
            Heard::Answer { mail: Internal::Answer { question, answer, .. }, .. } => Some((question, answer)),
            _ => None,
        }
    }

    #[test]
    fn words_of_both_kinds_are_understood_and_others_ask_again_once() {
        let questions = open(&[APPROVAL]);
        for yes in ["yes", " Ja ", "OK", "👍", "Yes!"] {
            assert_eq!(answered(&questions, yes, None), Some((1, Answer::Yes(None))), "{yes}");
        }
        for no in ["no", "NEIN", "👎", "n"] {
            assert_eq!(answered(&questions, no, None), Some((1, Answer::No)), "{no}");
        }
        let Some(Heard::Told { change: Some(change), .. }) = questions.hear(&says("hm", None), &[]) else {
            panic!("they are told what an answer is")
        };
        assert_eq!(questions.hear(&says("and?", None), std::slice::from_ref(&change)), None);
        questions.changed(&change);
        assert_eq!(questions.hear(&says("something else", None), &[]), None);
        assert_eq!(answered(&questions, "yes", None), Some((1, Answer::Yes(None))));
        assert_eq!(questions.hear(&says("/stop", None), &[]), None);
        assert_eq!(questions.hear(&Inbound { own_words: false, ..says("yes", None) }, &[]), None);
        let stranger = Sender { id: "8".into(), name: "Eve".into() };
        assert_eq!(questions.hear(&Inbound { sender: stranger, ..says("yes", None) }, &[]), None);
    }

    #[test]
    fn several_are_told_apart_by_number_or_by_what_is_quoted() {
        let questions = open(&[APPROVAL, QuestionKind::Words]);
        assert!(matches!(questions.hear(&says("yes", None), &[]), Some(Heard::Told { change: None, .. })));
        assert_eq!(answered(&questions, "1 yes", None), Some((1, Answer::Yes(None))));
        assert_eq!(answered(&questions, "2. at noon", None), Some((2, Answer::Says("at noon".into()))));
        assert_eq!(answered(&questions, "no", Some("Question 1")), Some((1, Answer::No)));
        questions.closed("k", 1, 0);
        assert_eq!(answered(&questions, "at noon", None), Some((2, Answer::Says("at noon".into()))));
    }

    #[test]
    fn a_reply_is_told_by_the_message_that_it_quotes() {
        let questions = open(&[APPROVAL, APPROVAL]);
        for k in lock(&questions.known).iter_mut() {
            k.question.text = "May I?".into();
            k.question.outbox = k.id.map(|id| id + 10);
        }
        let reply = |id: &str| Inbound { quoted_id: Some(id.into()), ..says("yes", Some("May I?")) };
        let chosen = |id: &str| match questions.hear(&reply(id), &[]) {
            Some(Heard::Answer { mail: Internal::Answer { question, .. }, .. }) => Some(question),
            _ => None,
        };
        assert_eq!(chosen("b"), Some(1), "no id is known: by its words");
        questions.shown(11, "a");
        assert_eq!(chosen("b"), Some(2), "it is none of those whose id is known");
        questions.shown(12, "b");
        assert_eq!((chosen("a"), chosen("b")), (Some(1), Some(2)));
        assert_eq!(chosen("c"), None, "the same words, shown by no question");
    }

    #[test]
    fn what_is_no_message_answers_nothing() {
        let questions = open(&[APPROVAL]);
        for kind in [InboundKind::Edited, InboundKind::Reaction] {
            assert_eq!(questions.hear(&Inbound { kind, ..says("👍", None) }, &[]), None);
        }
        let talk = open(&[QuestionKind::Conversation { key: "child".into() }]);
        let edited = Inbound { kind: InboundKind::Edited, ..says("better", None) };
        assert_eq!(talk.hear(&edited, &[]), Some(Heard::Talk("child".into())));
    }

    #[test]
    fn a_correction_is_shown_before_it_is_approved() {
        let questions = open(&[QuestionKind::Approval { editing: true }]);
        let Some(Heard::Told { answer, change: Some(change) }) =
            questions.hear(&says("Better words", None), &[])
        else {
            panic!("the correction is shown")
        };
        assert!(answer.text.unwrap_or_default().contains("Better words"));
        questions.changed(&change);
        assert_eq!(answered(&questions, "yes", None), Some((1, Answer::Yes(Some("Better words".into())))));
    }

    #[test]
    fn a_conversation_takes_everything_but_answers_and_commands() {
        let questions = open(&[QuestionKind::Conversation { key: "child".into() }, APPROVAL]);
        assert_eq!(answered(&questions, "yes", None), Some((2, Answer::Yes(None))));
        questions.closed("k", 1, 1);
        assert_eq!(questions.hear(&says("hello", None), &[]), Some(Heard::Talk("child".into())));
    }
}
