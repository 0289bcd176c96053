// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the terminal shows of a conversation: partial texts grow in place, final ones end with a line. While the person
//! is typing, whole messages are put above the prompt.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustyline::ExternalPrinter;

use crate::control::protocol::Heard;
use crate::output::harmless;

/// What stands in for a message whose text is still to come.
const PLACEHOLDER: &str = "…";

/// The terminal.
pub struct Screen {
    is_interactive: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The message that is growing, with what is printed of it.
    growing: Option<(u64, String)>,
    is_prompting: bool,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Screen {
    /// A terminal, or a pipe that gets final texts only.
    pub fn new(is_interactive: bool) -> Self {
        Self { is_interactive, state: Mutex::default() }
    }

    /// Whether a person types here.
    pub fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How to print while the prompt is open.
    pub fn print_through(&self, printer: Option<impl ExternalPrinter + Send + 'static>) {
        self.lock().printer = printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>);
    }

    /// The prompt opens or closes.
    pub fn prompting(&self, is_prompting: bool) {
        self.lock().is_prompting = is_prompting;
    }

    /// Shows what was heard.
    pub fn hear(&self, heard: Heard) {
        let mut state = self.lock();
        let mut out = io::stdout().lock();
        // A terminal that is gone shows nothing; the conversation itself is stored.
        let _ = match heard {
            Heard::Partial { id, text }
                if self.is_interactive && !state.is_prompting && text != PLACEHOLDER =>
            {
                write!(out, "{}", state.grow(id, &harmless(&text))).and_then(|()| out.flush())
            }
            Heard::Final { id, text } => {
                let text = harmless(&text);
                let line = format!(
                    "{}\n",
                    if self.is_interactive && !state.is_prompting { state.grow(id, &text) } else { text }
                );
                state.growing = None;
                let above = self.is_interactive && state.is_prompting;
                match &mut state.printer {
                    Some(printer) if above => printer.print(line).map_err(io::Error::other),
                    _ => write!(out, "{line}").and_then(|()| out.flush()),
                }
            }
            Heard::Partial { .. } | Heard::Typing | Heard::Quiet | Heard::Failed { .. } => Ok(()),
        };
    }
}

impl State {
    /// What must be printed so that the text of a message stands there.
    fn grow(&mut self, id: u64, text: &str) -> String {
        let more = match &self.growing {
            Some((known, printed)) if *known == id => match text.strip_prefix(printed.as_str()) {
                Some(more) => more.to_string(),
                None => format!("\n{text}"),
            },
            Some(_) => format!("\n{text}"),
            None => text.to_string(),
        };
        self.growing = Some((id, text.to_string()));
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_message_is_printed_once() {
        let mut state = State::default();
        let mut screen = String::new();
        for text in ["He", "Hello", "Hello."] {
            screen.push_str(&state.grow(1, text));
        }
        assert_eq!(screen, "Hello.");
        assert_eq!(state.grow(1, "Bye"), "\nBye", "a text that changed is printed anew");
        assert_eq!(state.grow(2, "Next"), "\nNext");
    }
}
