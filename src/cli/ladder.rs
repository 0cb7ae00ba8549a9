//! `lynccap ladder`: who said what to whom, as arrows between the ends, of one sign-in or one Call-ID.
//!
//! In: rows. Out: a line a row. Messages seen at several places of their way can be merged into one.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::IpAddr;

use anstream::AutoStream;
use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::cli::args::Ladder;
use crate::cli::output::{shorten, visible};
use crate::cli::run::Run;
use crate::cli::screen::{color_choice, row_style, terminal_width};
use crate::cli::{Failure, Outcome};
use crate::model::{Message, Span, Timestamp};
use crate::story::Row;
use crate::story::names::Origin;
use crate::story::steps::call_id;
use crate::story::summary::summary;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Width of row number and time.
const LEFT: usize = 18;
/// Narrowest and widest distance of two lifelines.
const NARROWEST: usize = 24;
const WIDEST: usize = 64;
/// Most ends that get a lifeline; arrows of others are left out, and counted.
const MOST_ENDS: usize = 8;
/// Most rows of a ladder that are held for the ends to be known.
const MOST_ROWS: usize = 100_000;
/// Copies of one message at several places on its way are this close together at most.
const HOP: Span = Span::from_secs(5);

/// One arrow.
struct Arrow {
    number: u64,
    time: Timestamp,
    from: IpAddr,
    to: IpAddr,
    label: String,
    style: Style,
    /// Names the message, where copies of it may be seen elsewhere.
    identity: Option<String>,
    /// How many copies were merged into it, and how long they took.
    merged: Option<(u32, Span)>,
}

/// Runs the command.
///
/// # Errors
/// Where an input cannot be used, or there is no such sign-in or Call-ID.
pub fn ladder(options: &Ladder) -> Result<Outcome, Failure> {
    let mut run = Run::begin(&options.reading, true, None)?;
    let (mut arrows, mut names) = (Vec::new(), HashMap::new());
    while let Some(row) = run.next_row() {
        while run.next_login().is_some() {}
        name_ends(&row, &mut names);
        if is_asked_for(options, &row) && arrows.len() < MOST_ROWS {
            arrows.extend(arrow(&row));
        }
    }
    while run.next_login().is_some() {}
    let (report, _) = run.report();
    if arrows.is_empty() {
        return Err(Failure::Usage(match &options.call_id {
            Some(call_id) => format!("no message has a Call-ID that begins with `{call_id}`"),
            None => format!("there is no sign-in {}", options.login.unwrap_or(1)),
        }));
    }
    if options.merge {
        arrows = merge(arrows);
    }
    draw(options, &arrows, &names).map_err(|error| Failure::Write { name: "standard output".to_owned(), error })?;
    Ok(if report.damages.is_empty() { Outcome::Done } else { Outcome::Damaged })
}

/// Names that look-ups gave to servers' addresses.
fn name_ends(row: &Row, names: &mut HashMap<IpAddr, String>) {
    if let (Some(Origin::LookedUp { host, .. }), Some(flow)) = (&row.origin, row.flow) {
        names.entry(flow.key.server.ip()).or_insert_with(|| host.to_string());
    }
}

fn is_asked_for(options: &Ladder, row: &Row) -> bool {
    match &options.call_id {
        Some(wanted) => {
            matches!(&row.message, Message::Sip(message) if call_id(message).starts_with(wanted.as_str()))
        }
        None => row.login == Some(options.login.unwrap_or(1)),
    }
}

fn arrow(row: &Row) -> Option<Arrow> {
    let (from, to) = row.flow?.key.ends(row.direction);
    let identity = match &row.message {
        Message::Sip(message) => {
            let what = message.status().map_or_else(String::new, |status| status.to_string());
            Some(format!(
                "{} {:?} {} {what}",
                call_id(message),
                message.cseq.map(|cseq| cseq.number),
                message.method()?
            ))
        }
        _ => None,
    };
    Some(Arrow {
        number: row.number,
        time: row.at.time,
        from: from.ip(),
        to: to.ip(),
        label: summary(row),
        style: row_style(row),
        identity,
        merged: None,
    })
}

/// Puts copies of a message that were seen on its way one after another into one arrow, from its first sender to
/// its last receiver.
fn merge(arrows: Vec<Arrow>) -> Vec<Arrow> {
    let mut merged: Vec<Arrow> = Vec::new();
    let mut last: HashMap<String, usize> = HashMap::new();
    for arrow in arrows {
        let before = arrow.identity.as_ref().and_then(|identity| last.get(identity)).copied();
        if let Some(known) = before.and_then(|index| merged.get_mut(index))
            && arrow.time.since(known.time) <= HOP
            && (known.from, known.to) != (arrow.to, arrow.from)
        {
            let (count, _) = known.merged.unwrap_or((1, Span::default()));
            known.merged = Some((count + 1, arrow.time.since(known.time)));
            known.to = arrow.to;
            continue;
        }
        if let Some(identity) = &arrow.identity {
            last.insert(identity.clone(), merged.len());
        }
        merged.push(arrow);
    }
    merged
}

/// Ends in the order in which they first appear.
fn ends(arrows: &[Arrow]) -> Vec<IpAddr> {
    let mut ends = Vec::new();
    for address in arrows.iter().flat_map(|arrow| [arrow.from, arrow.to]) {
        if !ends.contains(&address) && ends.len() < MOST_ENDS {
            ends.push(address);
        }
    }
    ends
}

fn draw(options: &Ladder, arrows: &[Arrow], names: &HashMap<IpAddr, String>) -> io::Result<()> {
    let mut out = AutoStream::new(io::stdout(), color_choice(options.reading.color)).lock();
    let ends = ends(arrows);
    let room = terminal_width().saturating_sub(LEFT + 2) / ends.len().max(2).saturating_sub(1).max(1);
    let gap = room.clamp(NARROWEST, WIDEST);
    let heads = ends.iter().map(|end| {
        let name = names.get(end).map_or_else(|| end.to_string(), |name| format!("{name} {end}"));
        format!("{:gap$}", shorten(&visible(&name), gap - 2).into_owned())
    });
    writeln!(out, "{BOLD}{:>LEFT$}  {}{BOLD:#}", "", heads.collect::<String>().trim_end())?;
    let began = arrows.first().map_or_else(Timestamp::default, |arrow| arrow.time);
    let mut outside = 0_u64;
    for arrow in arrows {
        let places = ends.iter().position(|end| *end == arrow.from).zip(ends.iter().position(|end| *end == arrow.to));
        let Some((from, to)) = places else {
            outside += 1;
            continue;
        };
        let time = arrow.time.since(began).as_secs_f64();
        let style = arrow.style;
        let line = lifelines(arrow, (from, to), ends.len(), gap);
        writeln!(out, "{DIM}{:>6} {time:>11.6}{DIM:#}  {style}{line}{style:#}", arrow.number)?;
    }
    if outside > 0 {
        writeln!(out, "{outside} messages between other ends are not drawn")?;
    }
    out.flush()
}

/// The lifelines of a row with its arrow: `│──── REGISTER ───▶│`.
fn lifelines(arrow: &Arrow, (from, to): (usize, usize), ends: usize, gap: usize) -> String {
    let (left, right) = (from.min(to), from.max(to));
    let mut line = String::new();
    for end in 0..ends {
        line.push('│');
        if end + 1 == ends {
            break;
        }
        if end == left && left < right {
            line.push_str(&shaft(arrow, from < to, (right - left) * gap - 1));
        } else if end < left || end >= right {
            line.extend(std::iter::repeat_n(' ', gap - 1));
        } else {
            line.pop(); // the arrow passes over this lifeline
        }
    }
    line
}

/// The arrow between two lifelines, with its label in the middle.
fn shaft(arrow: &Arrow, rightwards: bool, width: usize) -> String {
    let hops = arrow.merged.map_or_else(String::new, |(count, took)| {
        format!(" [seen {count} times in {:.1} ms]", took.as_secs_f64() * 1e3)
    });
    let label = format!("{}{hops}", arrow.label);
    let label = visible(&label);
    let label = shorten(&label, width.saturating_sub(6));
    let dashes = width.saturating_sub(label.width() + 3);
    let (before, after) = (dashes / 2, dashes - dashes / 2);
    let line = format!("{} {label} {}", "─".repeat(before), "─".repeat(after));
    if rightwards { format!("{line}▶") } else { format!("◀{line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow_of(label: &str, from: u8, to: u8) -> Arrow {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let identity = Some(label.to_owned());
        let (time, style) = (Timestamp::default(), Style::new());
        Arrow {
            number: 1,
            time,
            from: address(from),
            to: address(to),
            label: label.into(),
            style,
            identity,
            merged: None,
        }
    }

    #[track_caller]
    fn check(arrow: &Arrow, places: (usize, usize), ends: usize, expected: &str) {
        assert_eq!(lifelines(arrow, places, ends, 12), expected);
    }

    #[test]
    fn arrows_between_lifelines() {
        check(&arrow_of("ACK", 1, 2), (0, 1), 2, "│── ACK ───▶│");
        check(&arrow_of("200", 2, 1), (1, 0), 2, "│◀── 200 ───│");
        check(&arrow_of("ACK", 1, 3), (0, 2), 3, "│──────── ACK ─────────▶│");
        check(&arrow_of("x", 1, 2), (1, 2), 3, "│           │─── x ────▶│");
    }

    #[test]
    fn copies_on_the_way_become_one_arrow() {
        let merged = merge(vec![arrow_of("a", 1, 2), arrow_of("a", 2, 3), arrow_of("b", 1, 2)]);
        assert_eq!(merged.len(), 2);
        assert_eq!((merged[0].from, merged[0].to), (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 3])));
        assert_eq!(merged[0].merged.map(|(count, _)| count), Some(2));
    }
}
