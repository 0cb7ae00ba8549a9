//! The layer table of the design, executed: a module may use only what its row allows.
//!
//! Every `crate::x` in the source counts, in `use` lines and in paths, and so do the crates that
//! have one home.

use std::fs;
use std::path::{Path, PathBuf};

const ALL: &[&str] =
    &["model", "wire", "crypto", "flow", "session", "logs", "story", "findings", "export", "engine", "capture", "cli"];

/// Each layer, and what it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("crypto", &["model"]),
    ("flow", &["model", "wire"]),
    ("session", &["model", "wire", "crypto"]),
    ("logs", &["model", "wire"]),
    ("story", &["model", "wire", "crypto"]),
    ("findings", &["model", "story"]),
    ("export", &["model", "story", "findings"]),
    ("engine", &["model", "wire", "crypto", "flow", "session", "logs", "story", "findings", "export"]),
    ("capture", &["model", "wire"]),
    ("cli", ALL),
];

/// Crates that only these layers may name.
const HOMES: &[(&str, &[&str])] = &[
    ("etherparse", &["wire"]),
    ("pcap_parser", &["wire"]),
    ("x509_parser", &["wire"]),
    ("kerberos_parser", &["wire"]),
    ("rustls", &["crypto", "session"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("csv", &["export"]),
    ("csv_core", &["export"]),
    ("flate2", &["capture"]),
    ("zstd", &["capture"]),
    ("lz4_flex", &["capture"]),
    ("pcap", &["capture"]),
    ("privdrop", &["cli"]),
    ("landlock", &["cli"]),
    ("ctrlc", &["cli"]),
];

/// Files of a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The source without comments, which may speak of any layer.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The words that follow `prefix` in a source: `x` of `crate::x`.
fn names_after<'a>(source: &'a str, prefix: &str) -> Vec<&'a str> {
    source
        .match_indices(prefix)
        .map(|(at, _)| &source[at + prefix.len()..])
        .map(|rest| &rest[..rest.find(|char: char| !(char.is_alphanumeric() || char == '_')).unwrap_or(rest.len())])
        .collect()
}

/// What of `source` a layer must not use.
fn forbidden(layer: &str, source: &str) -> Vec<String> {
    let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == layer).expect("every folder is in the table");
    let mut wrong: Vec<String> = names_after(source, "crate::")
        .into_iter()
        .filter(|name| ALL.contains(name) && *name != layer && !allowed.contains(name))
        .map(|name| format!("crate::{name}"))
        .collect();
    for (krate, homes) in HOMES {
        let used = source.contains(&format!("use {krate}::")) || source.contains(&format!(" {krate}::"));
        if used && !homes.contains(&layer) {
            wrong.push((*krate).to_owned());
        }
    }
    wrong
}

#[test]
fn every_layer_uses_only_what_its_row_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for entry in fs::read_dir(&source).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let layer = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for path in files(&folder) {
            seen += 1;
            let wrong = forbidden(&layer, &code(&path));
            assert!(wrong.is_empty(), "{} uses {}", path.display(), wrong.join(", "));
        }
    }
    assert!(seen > 30, "only {seen} files were looked at");
}

#[test]
fn the_check_can_fail() {
    assert_eq!(forbidden("flow", "use crate::session::Sessions;"), ["crate::session"]);
    assert_eq!(forbidden("wire", "let x = crate::story::Row::new();"), ["crate::story"]);
    assert_eq!(forbidden("story", "use etherparse::TcpSlice;"), ["etherparse"]);
    assert!(forbidden("wire", "use crate::model::At;\nuse etherparse::TcpSlice;").is_empty());
}
