//! `lynccap interfaces`: what `live -i` accepts.

use std::io::{self, Write as _};

use crate::capture::live::{self, ANY, LiveError, Settings};
use crate::cli::live::rights;
use crate::cli::output::{column, visible};
use crate::cli::{Failure, Outcome, output};

/// Runs the command.
///
/// # Errors
/// Where the system does not tell its interfaces.
pub fn interfaces() -> Result<Outcome, Failure> {
    let all = live::interfaces().map_err(|error| Failure::Usage(error.to_string()))?;
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or(0).clamp(4, 32);
    let mut text = format!("{} {} addresses and description\n", column("name", width), column("state", 24));
    for one in &all {
        let addresses: Vec<String> = one.addresses.iter().map(ToString::to_string).collect();
        let words = [addresses.join(" "), one.description.clone().unwrap_or_default()];
        let words: Vec<_> = words.iter().filter(|words| !words.is_empty()).map(String::as_str).collect();
        let (name, state) = (column(&visible(&one.name), width), column(&one.state.join(" "), 24));
        text += format!("{name} {state} {}", visible(&words.join(" · "))).trim_end();
        text.push('\n');
    }
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::Write { name: "standard output".to_owned(), error })?;
    if let Some(refused) = refused(&all) {
        output::complain(&format!("{refused}; {}", rights::remedy("interfaces")));
    }
    Ok(Outcome::Done)
}

/// What stands in the way of capturing, found by trying.
fn refused(all: &[live::Interface]) -> Option<String> {
    let name = all.iter().find(|one| one.name == ANY).or(all.first())?.name.clone();
    let settings = Settings { snaplen: 64, buffer: 1 << 16, promiscuous: false, filters: Vec::new() };
    match live::Opened::open(&name, &settings) {
        Err(LiveError::NotAllowed(_)) => Some("the right to capture is missing".to_owned()),
        Err(_) | Ok(_) => None,
    }
}
