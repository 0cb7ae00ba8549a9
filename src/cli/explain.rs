//! `lynccap explain`: what an id, a code or a name means and what to do about it.
//!
//! In: words of the command line. Out: text. A number that several kinds of code have is explained for
//! each; a prefix such as `sip:` narrows it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use crate::cli::args::Explain;
use crate::cli::output::wrap;
use crate::cli::{Failure, Outcome};
use crate::findings::{RULES, Rule};
use crate::model::codes::diagnostics;
use crate::model::codes::hresult;
use crate::model::codes::http_status;
use crate::model::codes::sip_status;
use crate::model::codes::{Code, CodeKind};
use crate::story::fields::FIELDS;
use crate::story::steps::STEPS;
use crate::wire::diagnostics::number;

/// Columns of a label.
const LABEL: usize = 9;
/// A piped text is not wrapped.
const UNLIMITED: usize = usize::MAX;
/// Longest word for which similar ones are looked for: no name is longer, and each is compared with it.
const LONGEST_WORD: usize = 64;
/// Names of similar words that are told.
const SUGGESTIONS: usize = 3;

/// What can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Findings,
    Steps,
    Fields,
    Codes(CodeKind),
}

/// The word that lists a subject, other words for it as a prefix, and the subject, in the order in which
/// meanings are shown.
#[rustfmt::skip]
static SUBJECTS: [(&str, &[&str], Subject); 14] = [
    ("findings", &["finding"], Subject::Findings),
    ("steps", &["step"], Subject::Steps),
    ("fields", &["field"], Subject::Fields),
    ("diagnostics", &["ms-diagnostics", "ms-diagnostics-public", "ms-client-diagnostics", "x-ms-diagnostics"], Subject::Codes(CodeKind::Diagnostics)),
    ("sip", &[], Subject::Codes(CodeKind::Sip)),
    ("http", &["https"], Subject::Codes(CodeKind::Http)),
    ("alerts", &["alert", "tls"], Subject::Codes(CodeKind::TlsAlert)),
    ("hresults", &["hresult"], Subject::Codes(CodeKind::Hresult)),
    ("winsock", &["wsa"], Subject::Codes(CodeKind::Winsock)),
    ("win32", &[], Subject::Codes(CodeKind::Win32)),
    ("kerberos", &["krb", "krb5"], Subject::Codes(CodeKind::Kerberos)),
    ("dns", &["rcode"], Subject::Codes(CodeKind::Dns)),
    ("events", &["event"], Subject::Codes(CodeKind::Event)),
    ("registration", &["registration-event"], Subject::Codes(CodeKind::Registration)),
];

/// Runs the command.
///
/// # Errors
/// Where one of the words is not known; the others are explained all the same.
pub fn explain(options: &Explain) -> Result<Outcome, Failure> {
    let (mut text, mut unknown) = (String::new(), Vec::new());
    for query in queries(&options.words) {
        match explain_text(&query, width()) {
            Some(more) if text.is_empty() => text = more,
            Some(more) => text = text + "\n" + &more,
            None => unknown.push(query),
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Write { name: "standard output".to_owned(), error })?;
    if unknown.is_empty() { Ok(Outcome::Done) } else { Err(Failure::Usage(refusal(&unknown))) }
}

/// Columns of the terminal.
fn width() -> usize {
    if !io::stdout().is_terminal() {
        return UNLIMITED;
    }
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0)).max(60)
}

/// What each of the words asks: all of them one thing (`kerberos 7`, `not found`), or a thing a word.
fn queries(words: &[String]) -> Vec<String> {
    let whole = words.join(" ");
    if words.len() == 1 || explain_text(&whole, UNLIMITED).is_some() {
        return vec![whole];
    }
    let (mut queries, mut words) = (Vec::new(), words.iter().peekable());
    while let Some(word) = words.next() {
        match words.next_if(|next| subject(word).is_some() && subject(next).is_none()) {
            Some(next) => queries.push(format!("{word}:{next}")),
            None => queries.push(word.clone()),
        }
    }
    queries
}

/// The explanation of a word, or the list that it asks for; `None` where nothing is known of it.
pub fn explain_text(query: &str, width: usize) -> Option<String> {
    if let Some(subject) = subject(query) {
        return Some(list(subject));
    }
    let articles = articles(query);
    let texts: Vec<_> = articles.iter().map(|article| article.text(width)).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// The subject that a word lists, or narrows to.
fn subject(word: &str) -> Option<Subject> {
    let known = SUBJECTS.iter().find(|(name, others, _)| {
        [*name].iter().chain(others.iter()).any(|known| known.eq_ignore_ascii_case(word.trim()))
    });
    known.map(|&(.., subject)| subject)
}

/// The subject of a prefix and what follows it.
fn narrowed(query: &str) -> (Option<Subject>, &str) {
    let split = query.split_once([':', ' ', '=']);
    match split.and_then(|(prefix, rest)| Some((subject(prefix)?, rest))) {
        Some((subject, rest)) => (Some(subject), rest.trim()),
        None => (None, query.trim()),
    }
}

/// An explanation: a title, and labelled text.
struct Article {
    title: String,
    parts: Vec<(String, String)>,
}

impl Article {
    fn new(title: String) -> Self {
        Self { title, parts: Vec::new() }
    }

    fn part(mut self, label: impl Into<String>, text: impl Into<String>) -> Self {
        self.parts.push((label.into(), text.into()));
        self
    }

    /// In lines of at most `width` columns.
    fn text(&self, width: usize) -> String {
        let mut text = wrap(&self.title, width).join("\n") + "\n";
        for (label, part) in &self.parts {
            for (index, line) in wrap(part, width.saturating_sub(LABEL)).into_iter().enumerate() {
                let label = if index == 0 { label } else { "" };
                let _ = writeln!(text, "{label:<LABEL$}{line}");
            }
        }
        text
    }
}

/// All that is known of a query.
fn articles(query: &str) -> Vec<Article> {
    let (only, word) = narrowed(query);
    let subjects = SUBJECTS.iter().map(|&(.., subject)| subject);
    let subjects = subjects.filter(|&subject| only.is_none_or(|only| only == subject));
    let found: Vec<_> = subjects.flat_map(|subject| of_subject(subject, word, only.is_some())).collect();
    if found.is_empty() { of_range(word).filter(|_| only.is_none()).map(of_code).into_iter().collect() } else { found }
}

fn of_subject(subject: Subject, word: &str, narrowed: bool) -> Vec<Article> {
    match subject {
        Subject::Findings => RULES.iter().filter(|rule| same(rule.id, word)).map(|rule| of_rule(rule)).collect(),
        Subject::Steps => {
            STEPS.iter().filter(|(_, id, _)| same(id, word)).map(|(_, id, title)| of_step(id, title)).collect()
        }
        Subject::Fields => {
            let fields = FIELDS.iter().filter(|field| same(field.name, word));
            fields.map(|field| Article::new(format!("field {}", field.name)).part("Means", field.about)).collect()
        }
        Subject::Codes(kind) => codes(kind, word, narrowed).into_iter().map(of_code).collect(),
    }
}

/// Whether two names are the same to those who type them.
fn same(name: &str, word: &str) -> bool {
    normal(name).eq(normal(word))
}

/// A name as it is compared: in one case, with one kind of hyphen.
fn normal(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|char| if matches!(char, '-' | ' ') { '_' } else { char.to_ascii_lowercase() })
}

/// The codes of a kind that a word names. Without a prefix a number is an HRESULT only where it looks like
/// one, and an id of a component only where it is no status.
fn codes(kind: CodeKind, word: &str, narrowed: bool) -> Vec<Code> {
    if let Some(number) = number(word.split(['.', ';']).next().unwrap_or_default()) {
        let known = kind.find(number).filter(|_| kind != CodeKind::Registration);
        let other = match kind {
            CodeKind::Hresult => Some(hresult::of(number)).filter(|_| narrowed || number >= 1 << 31),
            CodeKind::Diagnostics if narrowed => Some(diagnostics::of(number)),
            CodeKind::Diagnostics => of_range(word).filter(|code| code.number >= 1000),
            _ => None,
        };
        return known.or(other).into_iter().collect();
    }
    let word = word.split('(').next().unwrap_or_default().trim_end();
    kind.table().iter().filter(|code| names(code).any(|name| same(name, word))).copied().collect()
}

/// An `ms-diagnostics` id of a component that is known; also with a sub-code.
fn of_range(word: &str) -> Option<Code> {
    let id = number(word.split(['.', ';']).next().unwrap_or_default())?;
    diagnostics::RANGES.iter().any(|&(first, last, ..)| (first..=last).contains(&id)).then(|| diagnostics::of(id))
}

/// What a code is called: its name, and that without the prefix of its kind.
fn names(code: &Code) -> impl Iterator<Item = &'static str> {
    let prefixes: &[&str] = match code.kind {
        CodeKind::Kerberos => &["KDC_ERR_", "KDC_ERROR_", "KRB_AP_ERR_", "KRB_ERR_", "KRB_AP_"],
        CodeKind::Winsock => &["WSA"],
        _ => &[],
    };
    // Components and sources of events are the names of many.
    let name = (!matches!(code.kind, CodeKind::Diagnostics | CodeKind::Event)).then_some(code.name);
    let short = name.and_then(|name| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)));
    name.into_iter().chain(short)
}

fn of_rule(rule: &Rule) -> Article {
    let article = Article::new(format!("{}: {}", rule.id, rule.title));
    article.part("Seen", rule.seen).part("Matters", rule.why).part("Do", rule.fix)
}

/// A step, and what the statuses mean there.
fn of_step(id: &str, title: &str) -> Article {
    let article = Article::new(format!("step {id}: {title}"));
    let sip = sip_status::AT_STEPS.iter().map(|at| ("SIP", at));
    let http = http_status::AT_STEPS.iter().map(|at| ("HTTP", at));
    sip.chain(http)
        .filter(|(_, at)| at.steps.contains(&id))
        .fold(article, |article, (kind, at)| article.part(format!("{kind} {}", at.code.number), sentence(&at.code)))
}

fn of_code(code: Code) -> Article {
    let mut article =
        Article::new(code.to_string()).part(if code.certain { "Means" } else { "Probably" }, code.meaning);
    if let Some(inside) = hresult::inside(code.number).filter(|_| code.kind == CodeKind::Hresult) {
        article = article.part("Carries", inside.to_string());
    }
    if let Some(fix) = code.fix {
        article = article.part("Do", fix);
    }
    let steps: &[sip_status::AtSteps] = match code.kind {
        CodeKind::Sip => &sip_status::AT_STEPS,
        CodeKind::Http => &http_status::AT_STEPS,
        _ => &[],
    };
    steps
        .iter()
        .filter(|at| at.code.number == code.number)
        .fold(article, |article, at| article.part("At", format!("{}: {}", at.steps.join(", "), sentence(&at.code))))
}

/// Meaning and remedy in one.
fn sentence(code: &Code) -> String {
    let probably = if code.certain { "" } else { "probably: " };
    let fix = code.fix.map(|fix| format!(". {fix}")).unwrap_or_default();
    format!("{probably}{}{fix}", code.meaning)
}

/// All of a subject, a line an entry.
fn list(subject: Subject) -> String {
    let entries: Vec<(String, String)> = match subject {
        Subject::Findings => RULES.iter().map(|rule| (rule.id.to_owned(), rule.title.to_owned())).collect(),
        Subject::Steps => STEPS.iter().map(|(_, id, title)| ((*id).to_owned(), (*title).to_owned())).collect(),
        Subject::Fields => FIELDS.iter().map(|field| (field.name.to_owned(), field.about.to_owned())).collect(),
        Subject::Codes(kind) => kind.table().iter().map(line).chain(ranges(kind)).collect(),
    };
    let longest = entries.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    entries.iter().fold(String::new(), |mut text, (name, about)| {
        let _ = writeln!(text, "{name:<longest$}  {about}");
        text
    })
}

fn line(code: &Code) -> (String, String) {
    let name = match code.kind {
        CodeKind::Hresult => format!("{:#010x}  {}", code.number, code.name),
        CodeKind::Registration => code.name.to_owned(),
        _ => format!("{:>5}  {}", code.number, code.name),
    };
    let probably = if code.certain { "" } else { "probably: " };
    (name, format!("{probably}{}", code.meaning))
}

/// The ranges of ids, where the kind has them.
fn ranges(kind: CodeKind) -> impl Iterator<Item = (String, String)> {
    let ranges = diagnostics::RANGES.iter().filter(move |_| kind == CodeKind::Diagnostics);
    ranges.map(|(first, last, name, meaning)| (format!("{first}-{last}  {name}"), (*meaning).to_owned()))
}

/// Says that nothing is known of these words, and what they may have been.
fn refusal(unknown: &[String]) -> String {
    let words: Vec<_> = unknown.iter().map(|word| format!("`{word}`")).collect();
    let mut similar: Vec<_> = unknown.iter().flat_map(|word| similar(word)).map(|name| format!("`{name}`")).collect();
    similar.dedup();
    let lists: Vec<_> = SUBJECTS.iter().map(|(name, ..)| *name).collect();
    let hint = if similar.is_empty() { String::new() } else { format!("; did you mean {}?", similar.join(", ")) };
    format!("nothing is known of {}{hint}; `lynccap explain WORD` lists: {}", words.join(", "), lists.join(", "))
}

/// The names that are nearest to a word.
fn similar(query: &str) -> Vec<&'static str> {
    let word: String = normal(narrowed(query).1).collect();
    if word.len() > LONGEST_WORD || word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let most = (word.chars().count() / 3).clamp(1, 4);
    let distance = |name: &str| strsim::osa_distance(&word, &normal(name).collect::<String>());
    let codes = CodeKind::ALL.into_iter().flat_map(CodeKind::table);
    let codes = codes.flat_map(|code| names(code).map(|name| (distance(name), code.name)));
    let ids = RULES.iter().map(|rule| rule.id).chain(STEPS.iter().map(|(_, id, _)| *id));
    let ids = ids.chain(FIELDS.iter().map(|field| field.name)).chain(SUBJECTS.iter().map(|(name, ..)| *name));
    let all = ids.map(|name| (distance(name), name)).chain(codes);
    let mut near: Vec<_> = all.filter(|&(distance, _)| distance <= most).collect();
    near.sort_unstable();
    near.dedup_by_key(|(_, name)| *name);
    near.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The titles of the explanations of a word.
    #[track_caller]
    fn check(query: &str, titles: &[&str]) {
        let found: Vec<_> = articles(query).into_iter().map(|article| article.title).collect();
        assert_eq!(found, titles, "{query}");
    }

    #[test]
    fn a_number_has_all_its_meanings() {
        check("403", &["SIP status 403 Forbidden", "HTTP status 403 Forbidden"]);
        check("48", &["TLS alert 48 unknown_ca", "Kerberos error 48 KRB_AP_ERR_METHOD"]);
        check("10061", &["ms-diagnostics 10061 (Mediation Server)", "Winsock error 10061 WSAECONNREFUSED"]);
        check("0x274D", &["ms-diagnostics 10061 (Mediation Server)", "Winsock error 10061 WSAECONNREFUSED"]);
        check("4005", &["ms-diagnostics 4005 (user services)"]);
        check("4005.2;reason=\"x\"", &["ms-diagnostics 4005 (user services)"]);
        check("999", &["ms-diagnostics 999 (common)"]);
        check("19000", &[]);
    }

    #[test]
    fn a_prefix_narrows() {
        check("sip:403", &["SIP status 403 Forbidden"]);
        check("HTTP 403", &["HTTP status 403 Forbidden"]);
        check("tls:48", &["TLS alert 48 unknown_ca"]);
        check("krb:7", &["Kerberos error 7 KDC_ERR_S_PRINCIPAL_UNKNOWN"]);
        check("ms-diagnostics: 19000", &["ms-diagnostics 19000 (unknown component)"]);
        check("ms-diagnostics: 1010.3;reason=\"x\"", &["ms-diagnostics 1010 (SIP stack)"]);
        check("event:14428", &["event 14428 (LS Protocol Stack)"]);
        assert!(articles("step:register")[0].title.starts_with("step register: "));
        check("sip:4005", &[]);
        check("http:unknown_ca", &[]);
    }

    #[test]
    fn names_in_any_spelling() {
        for name in ["unknown_ca", "UNKNOWN-CA", "Unknown CA", "tls:unknown-ca"] {
            check(name, &["TLS alert 48 unknown_ca"]);
        }
        for name in ["SEC_E_WRONG_PRINCIPAL", "0x80090322", "80090322", "-2146893022", "2148074274"] {
            check(name, &["HRESULT 0x80090322 SEC_E_WRONG_PRINCIPAL"]);
        }
        for name in ["0x80090322(SEC_E_WRONG_PRINCIPAL)", "HRESULT=\u{20}0x80090322", "sec-e-wrong-principal"] {
            check(name, &["HRESULT 0x80090322 SEC_E_WRONG_PRINCIPAL"]);
        }
        for name in ["KDC_ERR_S_PRINCIPAL_UNKNOWN", "s_principal_unknown"] {
            check(name, &["Kerberos error 7 KDC_ERR_S_PRINCIPAL_UNKNOWN"]);
        }
        check("WSAECONNRESET", &["Winsock error 10054 WSAECONNRESET"]);
        check("econnreset", &["Winsock error 10054 WSAECONNRESET"]);
        check("nxdomain", &["DNS response code 3 NXDOMAIN"]);
        check("deactivated", &["registration event deactivated"]);
        check("dns_rcode", &["field dns_rcode"]);
    }

    #[test]
    fn every_entry_of_a_table_is_found() {
        for kind in CodeKind::ALL {
            let table = SUBJECTS.iter().find(|(.., subject)| *subject == Subject::Codes(kind)).unwrap().0;
            for code in kind.table() {
                let key = if kind == CodeKind::Registration { code.name.to_owned() } else { code.number.to_string() };
                check(&format!("{table}:{key}"), &[&code.to_string()]);
            }
        }
        for rule in RULES {
            check(&format!("finding:{}", rule.id), &[&format!("{}: {}", rule.id, rule.title)]);
        }
    }

    #[track_caller]
    fn check_similar(word: &str, expected: &str) {
        assert!(similar(word).contains(&expected), "{word}: {:?}", similar(word));
    }

    #[test]
    fn what_was_meant() {
        check_similar("unknown_cs", "unknown_ca");
        check_similar("SEC_E_WRONG_PRINCIPLE", "SEC_E_WRONG_PRINCIPAL");
        check_similar("S_PRINCIPAL_UNKNWON", "KDC_ERR_S_PRINCIPAL_UNKNOWN");
        check_similar("sip:forbiden", "Forbidden");
        check_similar("finding", "findings");
        assert_eq!(similar("entirely-different-matter"), [""; 0]);
        assert_eq!(similar(&"a".repeat(100_000)), [""; 0]);
        assert_eq!(similar("99999"), [""; 0]);
    }

    #[test]
    fn words_are_one_thing_or_several() {
        for (words, expected) in [
            (&["kerberos", "7"][..], &["kerberos 7"][..]),
            (&["not", "found"], &["not found"]),
            (&["403", "4005"], &["403", "4005"]),
            (&["sip", "403", "tls", "48"], &["sip:403", "tls:48"]),
            (&["sip", "http"], &["sip", "http"]),
        ] {
            let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(queries(&words), expected);
        }
    }

    #[test]
    fn text_fits_the_terminal() {
        for query in ["403", "register", "0x80ef0193", "1047"] {
            let text = explain_text(query, 60).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= 60 || !line.trim().contains(' ')), "{text}");
            assert!(text.lines().count() > explain_text(query, UNLIMITED).unwrap().lines().count() || query == "1047");
        }
        let (text, whole) = (explain_text("1047", 60).unwrap(), explain_text("1047", UNLIMITED).unwrap());
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), whole.split_whitespace().collect::<Vec<_>>());
        assert!(whole.starts_with("ms-diagnostics 1047 (SIP stack)\nMeans    TLS with a federated partner failed"));
    }
}
