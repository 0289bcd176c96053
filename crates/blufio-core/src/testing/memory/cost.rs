// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sums over the ledger.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Tables;
use crate::store::{CostGroup, CostQuery, CostRow, Costs, LedgerRow};

const DAY_MS: i64 = 86_400_000;

impl Tables {
    pub(super) fn costs(&self, query: &CostQuery) -> Costs {
        let wanted = |row: &&LedgerRow| {
            query.since_ms.is_none_or(|since_ms| row.at_ms >= since_ms)
                && query.agent.as_ref().is_none_or(|agent| row.agent == *agent)
        };
        let mut total = CostRow::default();
        let mut groups: BTreeMap<String, CostRow> = BTreeMap::new();
        for row in self.ledger.iter().filter(wanted) {
            let sums = CostRow::of(row);
            total.add(&sums);
            groups.entry(self.group_of(query.by, row)).or_default().add(&sums);
        }
        let mut groups: Vec<CostRow> =
            groups.into_iter().map(|(name, sums)| CostRow { name, ..sums }).collect();
        match query.by {
            CostGroup::Day => groups.sort_by_key(|row| Reverse(row.name.parse::<i64>().ok())),
            _ => groups.sort_by_key(|row| Reverse(row.usd_micros)),
        }
        groups.truncate(query.groups_max as usize);
        Costs { total, groups }
    }

    fn group_of(&self, by: CostGroup, row: &LedgerRow) -> String {
        match by {
            CostGroup::Agent => row.agent.clone(),
            CostGroup::Model => row.model_asked.clone(),
            CostGroup::State => format!("{}/{}", row.agent, row.state),
            CostGroup::Day => (row.at_ms.div_euclid(DAY_MS) * DAY_MS).to_string(),
            CostGroup::Purpose => row.purpose.clone(),
            CostGroup::Session => {
                let session = row.session.and_then(|id| self.sessions.get(&id));
                session.map(|session| session.key.clone()).unwrap_or_default()
            }
        }
    }
}
