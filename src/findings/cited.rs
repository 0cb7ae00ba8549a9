//! Which rows the findings of sign-ins cite, as far as they are known when a row leaves.

use crate::findings::check_login;
use crate::model::Recent;
use crate::story::Row;
use crate::story::login::Login;
use crate::story::row::RowId;

/// Sign-ins whose findings are remembered.
const MOST_LOGINS: usize = 1024;
/// How often the rules run on one sign-in at most while its rows leave.
const MOST_RUNS: u32 = 64;

/// The findings of one sign-in: each row with the rules that cite it.
#[derive(Debug, Default)]
struct Known {
    revision: u32,
    runs: u32,
    rows: Vec<(RowId, &'static str)>,
}

impl Known {
    /// The rules that cite a row.
    fn cite(&self, row: RowId) -> Vec<&'static str> {
        let start = self.rows.partition_point(|(id, _)| *id < row);
        self.rows.iter().skip(start).take_while(|(id, _)| *id == row).map(|(_, rule)| *rule).collect()
    }
}

/// The findings of sign-ins whose rows are leaving.
#[derive(Debug)]
pub struct Cited {
    logins: Recent<u32, Known>,
}

impl Default for Cited {
    fn default() -> Self {
        Self { logins: Recent::new(MOST_LOGINS) }
    }
}

impl Cited {
    /// Ids of the findings that cite a row. The rules run again only where something happened since by which
    /// they may judge otherwise.
    pub fn of(&mut self, row: &Row, login: &Login) -> Vec<&'static str> {
        let known = self.logins.peek(&login.id);
        let is_fresh = |known: &&Known| known.revision == login.revision || known.runs >= MOST_RUNS;
        if let Some(known) = known.filter(is_fresh) {
            return known.cite(row.id);
        }
        let runs = known.map_or(0, |known| known.runs) + 1;
        let mut rows: Vec<(RowId, &'static str)> = Vec::new();
        for finding in check_login(login) {
            rows.extend(finding.evidence.iter().map(|mark| (mark.row, finding.rule.id)));
        }
        rows.sort_unstable();
        let known = Known { revision: login.revision, runs, rows };
        let cited = known.cite(row.id);
        self.logins.insert(login.id, known);
        cited
    }
}
