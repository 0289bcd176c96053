// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the code goes on behind a wait.

use super::{Landing, OutcomeKind, Program, Purpose};

impl Program {
    /// Where the outcomes of a site lead, besides failures that nobody there takes.
    pub(crate) fn landings(&self, site: u16) -> Vec<u16> {
        let at = |landing: &Landing| landing.at;
        let mut out = match self.sites.get(usize::from(site)).map(|site| &site.purpose) {
            None => Vec::new(),
            Some(
                Purpose::Pick { resume, .. } | Purpose::Write { resume, .. } | Purpose::Run { resume, .. },
            ) => vec![*resume],
            Some(Purpose::Fill { landings, .. }) => landings.iter().map(at).collect(),
            Some(Purpose::Turn { says, calls, refuses, .. }) => {
                [Some(says), calls.as_ref(), Some(refuses)].into_iter().flatten().map(at).collect()
            }
            Some(Purpose::Request { landings, resume, otherwise, .. }) => {
                let taken = |kinds: [OutcomeKind; 2]| landings.iter().any(|(known, _)| kinds.contains(known));
                let decides = taken([OutcomeKind::Yes, OutcomeKind::No]);
                let goes_on = !decides && !taken([OutcomeKind::Done, OutcomeKind::Says]);
                let arms = landings.iter().map(|(_, landing)| landing.at);
                arms.chain(goes_on.then_some(*resume)).chain(*otherwise).collect()
            }
        };
        out.sort_unstable();
        out.dedup();
        out
    }
}
