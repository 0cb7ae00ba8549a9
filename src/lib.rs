//! Reads a packet capture of a Lync or Skype for Business sign-in and tells what happened.
//!
//! An hourglass with a typed waist. Below the waist everything concerns one flow: headers, order,
//! decryption, messages. Above it everything concerns the whole capture: names, timeline, findings.
//! The waist is one owned, printable type, [`model::Observation`].
//!
//! ```text
//! capture ─Packet→ wire ─Frame→ flow ─StreamEvent→ session ═Observation═> story ─Row, Report→ findings → export / cli
//!  (I/O in)        └──────── per flow, one lane or many ────┘          └────── whole capture ──────┘    (I/O out)
//! logs ═══════════════════════════════════Observation═════════════>  (trace logs enter at the waist)
//! ```
//!
//! | module | says | may use |
//! |---|---|---|
//! | [`model`] | the vocabulary: time, packet numbers, flow keys, stream events, observations, limits, counts | |
//! | [`wire`] | bytes → views, no state; the only home of the format parsers | model |
//! | [`flow`] | frames → ordered stream events: fragments, TCP assembly, the flow table | model, wire |
//! | [`crypto`] | keys, key schedules and ciphers of TLS and NTLM | model |
//! | [`session`] | stream events → observations; its `PROBES` decide by content | model, wire, crypto |
//! | [`logs`] | trace logs → observations: `.uccapilog`, text of `OCSLogger` and CLS | model, wire |
//! | [`story`] | observations → rows, sign-ins and the report: names, transactions, order | model, wire, crypto |
//! | [`findings`] | sign-ins and report → findings: its `RULES` and one file a rule | model, story |
//! | [`export`] | rows and report → bytes: its `EXPORTERS` and one file a format | model, story, findings |
//! | [`engine`] | the composition: `Engine`, the sieve, lanes and their threads, the join of logs and captures | all above |
//! | [`capture`] | the input edge: files, interfaces, compression, merging | model, wire |
//! | [`cli`] | the output edge: arguments, terminal, exit codes | everything |
//!
//! `tests/layers.rs` fails where a module uses more. Data flows one way; no layer knows the one after it.
//!
//! ```no_run
//! use lynccap::capture::{Inputs, Next, Source};
//! use lynccap::engine::{Engine, Options};
//!
//! let mut inputs = Inputs::open(vec![Source::File("login.pcapng".into())])?;
//! let mut engine = Engine::new(Options::default());
//! while let Some(Next::Packet(packet)) = inputs.advance() {
//!     engine.push(&packet);
//! }
//! engine.finish();
//! while let Some(row) = engine.next_row() {
//!     println!("{} {}", row.number, lynccap::story::summary::summary(&row));
//! }
//! while let Some((login, findings)) = engine.next_login() {
//!     println!("{:?}: {} findings", login.outcome(), findings.len());
//! }
//! # Ok::<(), lynccap::capture::OpenError>(())
//! ```

pub mod capture;
pub mod cli;
pub mod crypto;
pub mod engine;
pub mod export;
pub mod findings;
pub mod flow;
pub mod logs;
pub mod model;
pub mod session;
pub mod story;
pub mod wire;
