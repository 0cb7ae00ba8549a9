//! TLS as an adapter: ciphertext of a stream in, plaintext of the same stream out, and notes.
//!
//! SSL 3.0 to TLS 1.3. Without keys it says what is visible. With them it decrypts and hands the
//! plaintext to a decoder that cannot tell the difference. Every record is authenticated; one that
//! fails is told, never shown. After a hole the record boundary is found again, and the record's
//! number searched. Key exchange, ciphers and numbers: `keys`, `cipher`, `reader`, and
//! [`crate::crypto::suites`].

pub mod certificates;
pub mod cipher;
pub mod keys;
pub mod reader;
mod waiting;

use std::borrow::Cow;

use crate::crypto::Secret;
use crate::crypto::suites::{KeyExchange, Suite};
use crate::model::sip::Carrier;
use crate::model::tls::{
    CipherSuite, ClientHello, KeySource, NotOpened, SecretLabel, ServerHello, TlsEvent, TlsSession, TlsVersion,
};
use crate::model::watch::is_watched;
use crate::model::{At, Both, Ciphertext, DecodeAs, Defect, Direction, Loss, LossCause, Message, Timestamp};
use crate::session::content::Content;
use crate::session::held::{self, Held};
use crate::session::{Decoder, Output, Probe};
use crate::wire::tls::{self as wire, RECORD_HEADER, RecordHeader, content, handshake};
use keys::Shown;
use reader::{Epoch, Reader};
use waiting::Patience;

pub use keys::Resumptions;

/// The entry in [`crate::session::PROBES`].
pub static PROBE: Probe = Probe {
    name: "tls",
    kinds: &[DecodeAs::SipTls, DecodeAs::Tls, DecodeAs::Https],
    begins: wire::begins,
    keeps: false,
    decoder: |_, hint| Box::new(Tls::new(hint)),
};

/// Records in a row that may fail before the place in the stream is looked for again.
const MOST_FAILURES: u32 = 2;

type Span = (At, At);

/// One direction.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
struct Half {
    held: Held,
    reader: Reader,
    /// Handshake messages under way, and the packet in which they begin.
    messages: Vec<u8>,
    messages_began: Option<At>,
    /// Records are encrypted from here on.
    encrypted: bool,
    /// The place in the stream is lost: a record's beginning must be found.
    lost: bool,
    /// Bytes of a record whose beginning is missing or unusable, and the last ones of it.
    skip: usize,
    skipped_end: Vec<u8>,
    /// Its Finished message was seen, or what must be one.
    finished: bool,
    failures: u32,
    /// A record was opened in this direction.
    opened_any: bool,
}

/// A TLS session on a stream.
pub struct Tls {
    halves: Both<Half>,
    inner: Content,
    shown: Shown,
    began: Option<At>,
    last: Option<At>,
    /// The handshake under way is not the first.
    renegotiating: bool,
    established: bool,
    opened: Option<KeySource>,
    /// Keys that the next change cipher spec of each direction begins to use.
    next: Both<Option<Epoch>>,
    master: Option<Secret>,
    not_opened: Option<NotOpened>,
    session: TlsSession,
    patience: Patience,
    /// How often it waited for keys.
    waits: u8,
}

impl Tls {
    /// A session of which nothing was seen; `hint` is what its port stands for.
    pub fn new(hint: Option<DecodeAs>) -> Self {
        let inner = match hint {
            Some(DecodeAs::SipTls) => Some(DecodeAs::Sip),
            Some(DecodeAs::Https) => Some(DecodeAs::Http),
            _ => None,
        };
        Self {
            halves: Both::default(),
            inner: Content::new(Carrier::Tls, inner),
            shown: Shown::default(),
            began: None,
            last: None,
            renegotiating: false,
            established: false,
            opened: None,
            next: Both::default(),
            master: None,
            not_opened: None,
            session: TlsSession::default(),
            patience: Patience::default(),
            waits: 0,
        }
    }

    const fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of_mut(direction)
    }

    /// Reads records off the front of `bytes`; returns how many bytes are done with.
    fn read(&mut self, bytes: &[u8], marks: &[(usize, At)], direction: Direction, out: &mut Output<'_>) -> usize {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let Some(span) = held::span(marks, from, 1) else { break };
            let half = self.half(direction);
            if half.skip > 0 {
                from += half.pass_over(rest);
                continue;
            }
            if half.lost {
                match self.find_record(rest, marks, from, direction, out) {
                    Some(used) => from += used,
                    None => break,
                }
                continue;
            }
            let old_hello = if self.began.is_none() { wire::sslv2_length(rest) } else { None };
            if let Some(length) = old_hello {
                let Some(frame) = rest.get(..length) else { break };
                self.old_client_hello(frame, held::span(marks, from, length).unwrap_or(span), direction, out);
                from += length;
                continue;
            }
            let Some(header) = wire::record_header(rest) else { break };
            if !header.is_plausible() {
                self.half(direction).lost = true;
                continue;
            }
            let length = RECORD_HEADER + header.length;
            let Some(payload) = rest.get(RECORD_HEADER..length) else { break };
            let span = held::span(marks, from, length).unwrap_or(span);
            if self.must_wait(direction, span, &header, out) {
                break;
            }
            self.record(direction, span, &header, payload, out);
            from += length;
        }
        from.min(bytes.len())
    }

    fn record(
        &mut self,
        direction: Direction,
        span: Span,
        header: &RecordHeader,
        payload: &[u8],
        out: &mut Output<'_>,
    ) {
        self.began.get_or_insert(span.0);
        self.session.began.get_or_insert(span.0);
        self.last = Some(self.last.map_or(span.1, |last| last.later(span.1)));
        let tls13 = self.shown.version() >= TlsVersion::TLS13;
        let half = self.half(direction);
        // In TLS 1.3 only application data records are encrypted; the others are for middleboxes, or plain.
        let is_protected =
            half.reader.is_active() && !tls13 || half.reader.has_keys() && header.kind == content::APPLICATION_DATA;
        if is_protected {
            self.protected(direction, span, header, payload, out);
        } else if half.encrypted && !(tls13 && header.kind != content::APPLICATION_DATA) {
            self.closed(direction, span, header, out);
        } else if header.kind == content::APPLICATION_DATA {
            self.unexpected_data(direction, span, header, payload, out);
        } else {
            self.content(direction, span, header.kind, payload, out);
        }
    }

    /// A record that keys are there for.
    fn protected(
        &mut self,
        direction: Direction,
        span: Span,
        header: &RecordHeader,
        payload: &[u8],
        out: &mut Output<'_>,
    ) {
        let mut scratch = out.spares.take();
        let opened = self.half(direction).reader.open(header, payload, &mut scratch.bytes);
        match opened {
            Some(kind) => {
                let half = self.half(direction);
                (half.failures, half.opened_any) = (0, true);
                self.content(direction, span, kind, &scratch.bytes, out);
            }
            None => self.failed(direction, span, payload, out),
        }
        out.spares.give(scratch);
    }

    /// A record that does not open with the keys at hand.
    fn failed(&mut self, direction: Direction, span: Span, payload: &[u8], out: &mut Output<'_>) {
        if !self.half(direction).reader.is_active() {
            self.session.unreadable_records += 1;
            let early = direction == Direction::Out && self.shown.client.as_ref().is_some_and(|hello| hello.early_data);
            if !self.established
                && !early
                && !self.shown.broken
                && !self.half(direction).finished
                && let Some(source) = self.opened.take()
            {
                self.halves.out.reader.clear();
                self.halves.r#in.reader.clear();
                self.tell_not_opened(span, NotOpened::WrongKey(source), out);
            }
            return;
        }
        self.session.failed_records += 1;
        if !self.established && !self.halves.out.opened_any && !self.halves.r#in.opened_any {
            // The first record under these keys: they are the wrong ones.
            if let Some(source) = self.opened.take() {
                self.halves.out.reader.clear();
                self.halves.r#in.reader.clear();
                (self.halves.out.encrypted, self.halves.r#in.encrypted) = (true, true);
                self.tell_not_opened(span, NotOpened::WrongKey(source), out);
                return;
            }
        }
        let half = self.half(direction);
        half.failures += 1;
        half.reader.pass_over_failed(payload);
        if half.failures > MOST_FAILURES {
            half.lost = true;
        }
        if half.failures == 1 {
            let what = "a record fails its check; nothing of it is shown";
            out.defect(span.1, direction, Defect::new("TLS", 0, what));
        }
        self.inner.gap(span.1, direction, UNKNOWN_LOSS, out);
    }

    /// An encrypted record without keys: its kind and size are all there is.
    fn closed(&mut self, direction: Direction, span: Span, header: &RecordHeader, out: &mut Output<'_>) {
        match header.kind {
            content::APPLICATION_DATA => {
                self.count_data(direction, header.length);
                self.measure(direction, span, header.length, out);
                let keep_alive =
                    Suite::of(self.shown.suite()).and_then(|suite| suite.keep_alive_length(self.shown.version()));
                self.session.keep_alives += u64::from(keep_alive == Some(header.length));
                if self.shown.version() >= TlsVersion::TLS13 {
                    self.half(direction).finished = true; // handshake or data, nobody can tell
                }
            }
            content::ALERT => out.tls(span, direction, TlsEvent::Alert(None)),
            _ => self.half(direction).finished = true,
        }
        self.settle(span, out);
    }

    /// Tells the size of a record that stays closed, where that is asked for.
    fn measure(&self, direction: Direction, span: Span, length: usize, out: &mut Output<'_>) {
        let Some(suite) = Suite::of(self.shown.suite()).filter(|_| out.measured) else { return };
        let (least, most) = suite.plaintext_length(self.shown.version(), length);
        let clamp = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        out.tell(span, direction, Message::Ciphertext(Ciphertext { least: clamp(least), most: clamp(most) }));
    }

    /// Application data before any handshake was seen, or early data.
    fn unexpected_data(
        &mut self,
        direction: Direction,
        span: Span,
        header: &RecordHeader,
        payload: &[u8],
        out: &mut Output<'_>,
    ) {
        let early = direction == Direction::Out && self.shown.client.as_ref().is_some_and(|hello| hello.early_data);
        if early && self.shown.server.is_none() {
            return self.early_data(span, header, payload, out);
        }
        self.count_data(direction, header.length);
        let half = self.half(direction);
        half.encrypted = true;
        if self.shown.client.is_none() || self.shown.server.is_none() {
            self.tell_not_opened(span, NotOpened::NoHandshake, out);
        }
    }

    /// Data of TLS 1.3 before the server's hello: the suite is the one of the session resumed, so all are tried.
    fn early_data(&mut self, span: Span, header: &RecordHeader, payload: &[u8], out: &mut Output<'_>) {
        let random = self.shown.client.as_ref().map(|hello| hello.random).unwrap_or_default();
        let Some((secret, _)) = out.keys.secret(SecretLabel::ClientEarly, &random) else {
            self.count_data(Direction::Out, header.length);
            return;
        };
        let suites = (0x1301..=0x1305).filter_map(|number| Suite::of(CipherSuite(number)));
        let mut scratch = out.spares.take();
        for suite in suites {
            self.halves.out.reader.set(Epoch::tls13(&suite, secret.expose()));
            if let Some(kind) = self.halves.out.reader.open(header, payload, &mut scratch.bytes) {
                self.content(Direction::Out, span, kind, &scratch.bytes, out);
                out.spares.give(scratch);
                return;
            }
        }
        self.halves.out.reader.clear();
        self.count_data(Direction::Out, header.length);
        out.spares.give(scratch);
    }

    /// The content of a record, decrypted where it was encrypted.
    fn content(&mut self, direction: Direction, span: Span, kind: u8, bytes: &[u8], out: &mut Output<'_>) {
        match kind {
            content::CHANGE_CIPHER_SPEC => self.change_cipher_spec(direction, span, out),
            content::ALERT => out.tls(span, direction, TlsEvent::Alert(wire::alert(bytes))),
            content::HANDSHAKE => self.handshake(direction, span, bytes, out),
            content::APPLICATION_DATA => {
                self.count_data(direction, bytes.len());
                self.half(direction).finished = true; // data comes behind it, seen or not
                self.settle(span, out);
                if !bytes.is_empty() {
                    out.payload(span.1, direction, bytes, true);
                    self.inner.data(span.1, direction, Cow::Borrowed(bytes), out);
                }
            }
            _ => {}
        }
    }

    fn count_data(&mut self, direction: Direction, bytes: usize) {
        let [client, server] = &mut self.session.data;
        let (records, total) = if direction == Direction::Out { client } else { server };
        *records += 1;
        *total += bytes as u64;
    }

    /// Puts handshake messages together from records.
    fn handshake(&mut self, direction: Direction, span: Span, bytes: &[u8], out: &mut Output<'_>) {
        let half = self.half(direction);
        half.messages.extend_from_slice(bytes);
        let mut began = *half.messages_began.get_or_insert(span.0);
        // Nothing is moved until a message is whole.
        let needed = wire::handshake_length(&half.messages).filter(|length| *length <= wire::LONGEST_HANDSHAKE);
        if needed.is_some_and(|length| half.messages.len() < length + 4) {
            return;
        }
        let messages = std::mem::take(&mut half.messages);
        let mut rest = messages.as_slice();
        while let Some((message, after)) = wire::take_handshake(rest) {
            self.message(direction, (began, span.1), &message, out);
            rest = after;
            began = span.0;
        }
        let oversized = wire::handshake_length(rest).is_some_and(|length| length > wire::LONGEST_HANDSHAKE);
        let half = self.half(direction);
        half.messages = if oversized { Vec::new() } else { rest.to_vec() };
        half.messages_began = (!rest.is_empty()).then_some(began);
        if oversized {
            self.shown.broken = true;
            out.defect(span.1, direction, Defect::new("TLS", 0, "a handshake message that is too long to be one"));
        }
    }

    fn message(&mut self, direction: Direction, span: Span, message: &wire::Handshake<'_>, out: &mut Output<'_>) {
        if message.kind == handshake::CLIENT_HELLO {
            if let Some(hello) = wire::client_hello(message.body) {
                self.client_hello(hello, message.whole, span, direction, out);
            }
            return;
        }
        if message.kind != handshake::HELLO_REQUEST {
            self.shown.transcribe(message.whole);
        }
        let tls13 = self.shown.version() >= TlsVersion::TLS13;
        match message.kind {
            handshake::SERVER_HELLO => {
                if let Some(hello) = wire::server_hello(message.body) {
                    self.server_hello(hello, span, direction, out);
                }
            }
            handshake::CERTIFICATE => {
                let chain = wire::certificates(message.body, tls13);
                let chain: Vec<_> = chain.into_iter().filter_map(|der| out.certificates.read(der)).collect();
                if direction == Direction::In {
                    self.shown.certificate = chain.first().cloned();
                    self.session.certificate = chain.first().cloned();
                    out.keep |= chain.first().is_some_and(|own| out.keys.rsa_for(&own.modulus).is_some());
                }
                if !chain.is_empty() {
                    out.tls(span, direction, TlsEvent::Certificate(chain));
                }
            }
            handshake::CERTIFICATE_REQUEST => out.tls(span, direction, TlsEvent::CertificateRequest),
            handshake::CLIENT_KEY_EXCHANGE => self.shown.key_exchange = Some(message.body.to_vec()),
            handshake::NEW_SESSION_TICKET if !tls13 => {
                self.shown.ticket = wire::new_session_ticket(message.body).map(<[u8]>::to_vec);
            }
            handshake::END_OF_EARLY_DATA => self.half(direction).reader.switch(),
            handshake::FINISHED => {
                let half = self.half(direction);
                half.finished = true;
                if tls13 && half.reader.has_next() {
                    half.reader.switch();
                }
            }
            handshake::KEY_UPDATE if tls13 => self.half(direction).reader.update(),
            _ => {}
        }
        self.settle(span, out);
    }

    fn old_client_hello(&mut self, frame: &[u8], span: Span, direction: Direction, out: &mut Output<'_>) {
        self.began = Some(span.0);
        self.session.began.get_or_insert(span.0);
        if let Some(hello) = wire::sslv2_client_hello(frame) {
            // The transcript has the message without the two bytes of length.
            self.client_hello(hello, frame.get(2..).unwrap_or_default(), span, direction, out);
        }
    }

    fn client_hello(
        &mut self,
        hello: ClientHello,
        whole: &[u8],
        span: Span,
        direction: Direction,
        out: &mut Output<'_>,
    ) {
        let again = self.shown.server.as_ref().is_some_and(|server| server.retry);
        if !again {
            self.renegotiating = self.established;
            self.established = false;
            self.shown = Shown::default();
            self.master = None;
            self.patience = Patience::default();
            self.began = Some(span.0);
            (self.halves.out.finished, self.halves.r#in.finished) = (false, false);
        }
        self.shown.transcribe(whole);
        self.session.sni = hello.sni.clone().or(self.session.sni.take());
        self.session.offered = Some(hello.version());
        self.session.client_random = Some(hello.random);
        out.keep |= hello.sni.as_deref().is_some_and(is_watched) || out.keys.knows_random(&hello.random);
        out.tls(span, direction, TlsEvent::ClientHello(Box::new(hello.clone())));
        self.shown.client = Some(hello);
    }

    fn server_hello(&mut self, hello: ServerHello, span: Span, direction: Direction, out: &mut Output<'_>) {
        self.session.version = Some(TlsVersion(hello.version));
        self.session.suite = Some(CipherSuite(hello.suite));
        self.session.encrypt_then_mac = hello.encrypt_then_mac;
        let client_ems = self.shown.client.as_ref().is_some_and(|client| client.extended_master_secret);
        self.session.extended_master_secret = hello.extended_master_secret && client_ems;
        out.tls(span, direction, TlsEvent::ServerHello(Box::new(hello.clone())));
        let begins_tls13 = hello.version >= TlsVersion::TLS13.0 && hello.version >> 8 == 3 && !hello.retry;
        self.shown.server = Some(hello);
        if begins_tls13 && self.can_wait(out) && !self.has_keys(out) {
            self.patience = Patience::Tls13(span);
        } else if begins_tls13 {
            self.begin_tls13(span, out);
        }
    }

    /// TLS 1.3 encrypts everything behind the server's hello.
    fn begin_tls13(&mut self, span: Span, out: &mut Output<'_>) {
        (self.halves.out.encrypted, self.halves.r#in.encrypted) = (true, true);
        self.session.resumed = self.shown.is_resumed();
        let random = self.shown.client.as_ref().map(|hello| hello.random).unwrap_or_default();
        let Some(suite) = Suite::of(self.shown.suite()).filter(|suite| suite.exchange == KeyExchange::Tls13) else {
            return self.tell_not_opened(span, NotOpened::Suite(self.shown.suite()), out);
        };
        let epochs = |labels: [SecretLabel; 2]| -> Vec<Epoch> {
            let secrets = labels.into_iter().filter_map(|label| out.keys.secret(label, &random));
            secrets.filter_map(|(secret, _)| Epoch::tls13(&suite, secret.expose())).collect()
        };
        let client = epochs([SecretLabel::ClientHandshake, SecretLabel::ClientTraffic]);
        let server = epochs([SecretLabel::ServerHandshake, SecretLabel::ServerTraffic]);
        let source = out
            .keys
            .secret(SecretLabel::ServerTraffic, &random)
            .or(out.keys.secret(SecretLabel::ClientTraffic, &random));
        if client.is_empty() && server.is_empty() {
            let why = match (out.keys.is_empty(), out.keys.has_key_log()) {
                (true, _) => NotOpened::NoKeys { rsa_would_do: false },
                (false, true) => NotOpened::NotInKeyLog { random },
                (false, false) => NotOpened::Ephemeral,
            };
            return self.tell_not_opened(span, why, out);
        }
        if client.is_empty() || server.is_empty() {
            let missing = if client.is_empty() { "client secrets" } else { "server secrets" };
            self.tell_not_opened(span, NotOpened::SecretMissing(missing), out);
        }
        self.opened = source.map(|(_, source)| source);
        // Early data goes on under its own key until the client says that it is over.
        if self.halves.out.reader.is_active() {
            self.halves.out.reader.follow_with(client);
        } else {
            self.halves.out.reader.set(client);
        }
        self.halves.r#in.reader.set(server);
    }

    fn change_cipher_spec(&mut self, direction: Direction, span: Span, out: &mut Output<'_>) {
        if self.shown.version() >= TlsVersion::TLS13 || self.shown.server.is_none() && self.shown.client.is_some() {
            return; // for middleboxes only
        }
        self.begin_encryption(direction, span, out);
        self.half(direction).finished = false;
    }

    /// From here on a direction is encrypted, with the keys of the handshake where there are any.
    fn begin_encryption(&mut self, direction: Direction, span: Span, out: &mut Output<'_>) {
        if self.master.is_none() && self.not_opened.is_none() {
            self.prepare_keys(span, out);
        }
        let epoch = self.next.of_mut(direction).take();
        let half = self.half(direction);
        half.encrypted = true;
        half.reader.clear();
        if let Some(epoch) = epoch {
            half.reader.set([epoch]);
            half.reader.switch();
        }
    }

    /// Derives the keys of the handshake under way.
    fn prepare_keys(&mut self, span: Span, out: &mut Output<'_>) {
        self.session.resumed = self.shown.is_resumed();
        match keys::derive(&self.shown, &out.flow, out.keys, out.resumptions) {
            Ok(derived) => {
                if let Some(server) = &self.shown.server {
                    out.resumptions.remember(&out.flow, &server.session_id, &derived.master, &derived.source);
                }
                if let Some(ticket) = &self.shown.ticket {
                    out.resumptions.remember(&out.flow, ticket, &derived.master, &derived.source);
                }
                self.opened = Some(derived.source);
                self.master = Some(derived.master);
                out.keep = true;
                let (client, server) = (Epoch::tls12(derived.client), Epoch::tls12(derived.server));
                self.next = Both { out: Some(client), r#in: Some(server) };
            }
            Err(why) => self.tell_not_opened(span, why, out),
        }
        self.shown.transcript = Vec::new(); // has served
    }

    fn tell_not_opened(&mut self, span: Span, why: NotOpened, out: &mut Output<'_>) {
        // Nothing opens it, and nothing asks for it.
        out.ignore = true;
        if self.not_opened.is_none() {
            out.tls(span, Direction::Out, TlsEvent::NotOpened(why.clone()));
            self.not_opened = Some(why);
        }
    }

    /// Tells that a handshake is over, once both sides have finished.
    fn settle(&mut self, span: Span, out: &mut Output<'_>) {
        if self.established || self.shown.server.is_none() || !(self.halves.out.finished && self.halves.r#in.finished) {
            return;
        }
        self.established = true;
        // A ticket comes behind the client's change cipher spec, when the keys are derived already.
        if let (Some(ticket), Some(master), Some(source)) = (&self.shown.ticket, &self.master, &self.opened) {
            out.resumptions.remember(&out.flow, ticket, master, source);
        }
        let began = self.began.unwrap_or(span.0);
        let span = (span.0, span.1.later(began));
        let event = TlsEvent::Established {
            resumed: self.session.resumed,
            renegotiated: self.renegotiating,
            took: span.1.time.since(began.time),
            opened: self.opened.clone(),
            version: self.shown.version(),
            suite: self.shown.suite(),
        };
        out.tls((began, span.1), Direction::In, event);
    }

    /// Looks for the beginning of a record; returns how many bytes are done with, `None` where more are needed.
    fn find_record(
        &mut self,
        bytes: &[u8],
        marks: &[(usize, At)],
        from: usize,
        direction: Direction,
        out: &mut Output<'_>,
    ) -> Option<usize> {
        let version = self.shown.server.as_ref().map(|hello| hello.version.min(TlsVersion::TLS12.0));
        for at in 0..bytes.len() {
            let candidate = bytes.get(at..).unwrap_or_default();
            let Some(header) = wire::record_header(candidate) else { return keep_tail(at) };
            let fits = header.is_plausible()
                && header.length > 0
                && matches!(header.kind, content::ALERT..=content::APPLICATION_DATA)
                && version.is_none_or(|version| header.version == version);
            if !fits {
                continue;
            }
            let end = RECORD_HEADER + header.length;
            let Some(payload) = candidate.get(RECORD_HEADER..end) else {
                return if at > 0 { Some(at) } else { None };
            };
            let behind = candidate.get(end..).unwrap_or_default();
            let next_fits =
                behind.len() < RECORD_HEADER || wire::record_header(behind).is_some_and(|next| next.is_plausible());
            if !next_fits {
                continue;
            }
            let span = held::span(marks, from + at, end)?;
            self.session.unreadable_records += 1;
            if self.resume_at(direction, span, &header, payload, out) {
                self.session.unreadable_records -= 1;
                return Some(at + end);
            }
            if self.half(direction).reader.is_active() {
                continue;
            }
            return Some(at + end);
        }
        Some(bytes.len())
    }

    /// The change cipher spec may lie in the hole: what comes behind it is encrypted.
    fn use_next_keys(&mut self, direction: Direction, span: Span, header: &RecordHeader, out: &mut Output<'_>) {
        let tls12 = self.shown.server.is_some() && self.shown.version() < TlsVersion::TLS13;
        if !tls12 || header.kind != content::APPLICATION_DATA || self.half(direction).reader.has_keys() {
            return;
        }
        self.begin_encryption(direction, span, out);
    }

    /// Goes on with the record found after a hole; `false` where it cannot be opened.
    fn resume_at(
        &mut self,
        direction: Direction,
        span: Span,
        header: &RecordHeader,
        payload: &[u8],
        out: &mut Output<'_>,
    ) -> bool {
        self.use_next_keys(direction, span, header, out);
        if !self.half(direction).reader.has_keys() {
            self.half(direction).lost = false;
            self.record(direction, span, header, payload, out);
            return true;
        }
        let mut scratch = out.spares.take();
        let opened = self.half(direction).reader.open_after_hole(header, payload, &mut scratch.bytes);
        if let Some(kind) = opened {
            let half = self.half(direction);
            (half.lost, half.failures, half.opened_any) = (false, 0, true);
            self.content(direction, span, kind, &scratch.bytes, out);
        }
        out.spares.give(scratch);
        opened.is_some()
    }
}

/// A hole in plaintext, whose size nobody knows.
const UNKNOWN_LOSS: Loss = Loss { bytes: 0, cause: LossCause::NotCaptured };

/// The last bytes may begin a header; what stands before them is done with.
fn keep_tail(at: usize) -> Option<usize> {
    (at > 0).then_some(at)
}

impl Half {
    /// Passes over bytes of an unusable record; returns how many.
    fn pass_over(&mut self, bytes: &[u8]) -> usize {
        let used = self.skip.min(bytes.len());
        self.skip -= used;
        self.skipped_end.extend_from_slice(bytes.get(..used).unwrap_or_default());
        let surplus = self.skipped_end.len().saturating_sub(16 + 48);
        self.skipped_end.drain(..surplus);
        if self.skip == 0 {
            let end = std::mem::take(&mut self.skipped_end);
            self.reader.pass_over(&end);
        }
        used
    }
}

impl Decoder for Tls {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        if let Some(waiting) = self.patience.waiting() {
            waiting.data(at, direction, &bytes);
            if waiting.cost() > out.limits.key_wait_bytes {
                self.resume(out);
            }
            return;
        }
        if self.half(direction).held.bytes.is_empty() {
            let used = self.read(&bytes, &[(bytes.len(), at)], direction, out);
            self.half(direction).held.begin(bytes.get(used..).unwrap_or_default(), at, out.spares);
        } else {
            self.half(direction).held.push(&bytes, at);
            let held = self.half(direction).held.take();
            let used = self.read(&held.bytes, &held.marks, direction, out);
            self.half(direction).held = held.behind(used, out.spares);
        }
    }

    fn gap(&mut self, at: At, direction: Direction, loss: Loss, out: &mut Output<'_>) {
        if let Some(waiting) = self.patience.waiting() {
            return waiting.push(at, waiting::Event::Gap(direction, loss));
        }
        let half = self.half(direction);
        let held = half.held.take();
        half.messages.clear();
        let missing = usize::try_from(loss.bytes).unwrap_or(usize::MAX);
        let record_left = wire::record_header(&held.bytes)
            .filter(|header| header.is_plausible() && !half.lost)
            .map_or(0, |header| (RECORD_HEADER + header.length).saturating_sub(held.bytes.len()));
        let left = if half.skip > 0 { half.skip } else { record_left };
        half.skipped_end.clear();
        if loss.bytes > 0 && missing < left {
            half.skip = left - missing; // the hole lies within one record
        } else if loss.bytes > 0 && missing == left {
            half.skip = 0;
            half.reader.pass_over(&[]);
        } else {
            half.skip = 0;
            half.lost = true;
            half.reader.lose_place();
        }
        if !self.established {
            self.shown.broken = true;
        }
        self.inner.gap(at, direction, UNKNOWN_LOSS, out);
    }

    fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        if let Some(waiting) = self.patience.waiting() {
            return waiting.push(at, waiting::Event::Finish(direction));
        }
        self.inner.finish(at, direction, out);
    }

    fn end(&mut self, at: At, out: &mut Output<'_>) {
        if let Some(waiting) = self.patience.waiting() {
            return waiting.push(at, waiting::Event::End);
        }
        if let Patience::Tls13(span) = std::mem::take(&mut self.patience) {
            self.begin_tls13(span, out); // nothing followed the server's hello
        }
        self.inner.end(at, out);
        let Some(last) = self.last.take() else { return }; // told already
        self.session.opened = self.opened.clone();
        self.session.not_opened = self.not_opened.take();
        let session = std::mem::take(&mut self.session);
        out.tls((last, last), Direction::Out, TlsEvent::Closed { data: session.data });
        out.tell((at, at), Direction::Out, Message::TlsSession(Box::new(session)));
    }

    fn held(&self) -> usize {
        let half = |half: &Half| half.held.cost() + half.messages.len();
        let waiting = if let Patience::Waiting(waiting) = &self.patience { waiting.cost() } else { 0 };
        half(&self.halves.out) + half(&self.halves.r#in) + self.inner.held() + self.shown.transcript.len() + waiting
    }

    fn awaits_keys(&self) -> bool {
        matches!(self.patience, Patience::Waiting(_) | Patience::Lost(_))
    }

    fn advance(&mut self, now: Timestamp, last: bool, out: &mut Output<'_>) {
        match &self.patience {
            Patience::Waiting(waiting) => {
                let late = last || now.since(waiting.since().time) >= out.limits.key_wait;
                if late || self.has_keys(out) {
                    self.resume(out);
                }
            }
            Patience::Lost(span) if self.knows_random(out) => {
                let span = *span;
                self.patience = Patience::Spent;
                self.not_opened = Some(NotOpened::KeysLate);
                out.tls(span, Direction::Out, TlsEvent::NotOpened(NotOpened::KeysLate));
            }
            _ => {}
        }
    }

    fn relieve(&mut self, at: At, out: &mut Output<'_>) {
        if self.patience.waiting().is_some() {
            self.resume(out);
        }
        for direction in Direction::BOTH {
            let half = self.half(direction);
            half.held = Held::default();
            half.messages = Vec::new();
            half.lost = true;
        }
        self.shown.broken = true;
        self.inner.relieve(at, out);
    }
}
