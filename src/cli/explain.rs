//! `lynccap explain`: what an id means and what to do about it.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::cli::args::Explain;
use crate::cli::{Failure, Outcome};
use crate::findings::{RULES, find};
use crate::story::fields::FIELDS;

/// Runs the command.
///
/// # Errors
/// Where the id is not known.
pub fn explain(options: &Explain) -> Result<Outcome, Failure> {
    let text = match options.id.as_str() {
        "findings" => list(RULES.iter().map(|rule| (rule.id, rule.title))),
        "fields" => list(FIELDS.iter().map(|field| (field.name, field.about))),
        id => {
            let Some(rule) = find(id) else {
                return Err(Failure::Usage(format!(
                    "nothing is known of `{id}`; `lynccap explain findings` lists the findings"
                )));
            };
            format!(
                "{}: {}\n\nSeen     {}\nMatters  {}\nDo       {}\n",
                rule.id, rule.title, rule.seen, rule.why, rule.fix
            )
        }
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::Write { name: "standard output".to_owned(), error })?;
    Ok(Outcome::Done)
}

/// A line an entry.
fn list(entries: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    entries.fold(String::new(), |mut text, (name, about)| {
        let _ = writeln!(text, "{name:<22} {about}");
        text
    })
}
