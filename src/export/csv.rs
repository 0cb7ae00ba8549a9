//! CSV for spreadsheets and programs (RFC 4180, CRLF): one row a timeline row, always all columns.

use std::borrow::Cow;
use std::io::{self, Write};

use ::csv::{IntoInnerError, Terminator, WriterBuilder};
use memchr::memchr_iter;

use crate::export::text::{self, Times};
use crate::export::{Choices, Export, Exporter};
use crate::findings::Finding;
use crate::model::Span;
use crate::model::sip::HeaderName;
use crate::story::fields::{self, Getter, Value};
use crate::story::summary::write_summary;
use crate::story::{Asked, Kept, Report, Row};

/// The entry in [`crate::export::EXPORTERS`].
pub static EXPORTER: Exporter =
    Exporter { name: "csv", about: "CSV, a line a row", begin: |out, choices| Csv::begin(out, choices) };

/// For whom the file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Spreadsheets: UTF-8 with byte order mark, formulas defused, long cells cut.
    #[default]
    Excel,
    /// The same with semicolons, for list separators of continental Europe.
    ExcelSemicolon,
    /// Programs: no byte order mark, no apostrophes, nothing cut.
    Plain,
}

/// Longest cell in characters that Excel takes.
const LONGEST_CELL: usize = 32_767;
/// Stands at the end of a cell that was cut.
const CUT: &str = "… [cut]";

struct Column {
    source: Source,
    /// Writes a span in seconds, or in milliseconds.
    span: fn(Span, &mut Vec<u8>),
}

/// What fills a column.
enum Source {
    Field(Getter),
    /// The field `summary`, which every row has: written where there is room already.
    Summary,
}

impl Column {
    fn new(name: &str, field: &str) -> Self {
        let source = match fields::find(field) {
            Some(field) if field.name == "summary" => Source::Summary,
            Some(field) => Source::Field(field.value),
            None => Source::Field(SINCE_ROW_BEFORE),
        };
        Self { source, span: if name.ends_with("_ms") { text::decimal::<6> } else { text::decimal::<9> } }
    }
}

/// The one column that is no field.
const SINCE_ROW_BEFORE: Getter = |row| Some(Value::Seconds(row.delta));

/// Column names in order, each with the field that fills it.
const COLUMNS: [(&str, &str); 37] = [
    ("row", "row"),
    ("time", "time"),
    ("elapsed_s", "elapsed"),
    ("delta_s", ""),
    ("input", "input"),
    ("frame", "frame"),
    ("direction", "direction"),
    ("src_ip", "src_ip"),
    ("src_port", "src_port"),
    ("dst_ip", "dst_ip"),
    ("dst_port", "dst_port"),
    ("protocol", "kind"),
    ("summary", "summary"),
    ("dns_name", "dns_name"),
    ("dns_type", "dns_type"),
    ("dns_rcode", "dns_rcode"),
    ("dns_answers", "dns_answers"),
    ("rtt_ms", "dns_rtt"),
    ("call_id", "call_id"),
    ("cseq", "cseq"),
    ("method", "method"),
    ("status", "status"),
    ("reason", "reason"),
    ("from", "from"),
    ("to", "to"),
    ("event", "event"),
    ("content_type", "content_type"),
    ("body_bytes", "body_bytes"),
    ("response_ms", "response_time"),
    ("url", "url"),
    ("sni", "sni"),
    ("tls_version", "tls_version"),
    ("cipher_suite", "cipher_suite"),
    ("alert", "alert"),
    ("flow", "flow"),
    ("login", "login"),
    ("step", "step"),
];

/// The header fields of SIP messages that fill columns.
const FIELDS: &[HeaderName] = &[
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::From,
    HeaderName::To,
    HeaderName::Event,
    HeaderName::ContentType,
];

struct Csv {
    out: Box<dyn Write>,
    columns: Vec<Column>,
    line: Line,
    times: Times,
    /// Where text is put together.
    text: String,
}

impl Csv {
    fn begin(mut out: Box<dyn Write>, choices: Choices) -> io::Result<Box<dyn Export>> {
        let dialect = choices.dialect;
        if dialect != Dialect::Plain {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let columns = || COLUMNS.iter().chain(&[("findings", "findings")]);
        let mut names = writer(dialect).from_writer(Vec::new());
        names.write_record(columns().map(|(name, _)| name)).map_err(io::Error::from)?;
        out.write_all(&names.into_inner().map_err(IntoInnerError::into_error)?)?;
        let columns = columns().map(|(name, field)| Column::new(name, field)).collect();
        let (line, times, text) = (Line::new(dialect), Times::default(), String::new());
        Ok(Box::new(Self { out, columns, line, times, text }))
    }
}

impl Export for Csv {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        let Self { columns, line, times, text, .. } = self;
        line.bytes.clear();
        for column in columns {
            match column.source {
                Source::Field(get) => {
                    if let Some(value) = get(row) {
                        write_cell(&value, column, line, times);
                    }
                }
                Source::Summary => {
                    text.clear();
                    write_summary(row, text);
                    line.text(text);
                }
            }
            line.end_cell();
        }
        line.end();
        self.out.write_all(&self.line.bytes)
    }

    fn asks(&self) -> Asked {
        Asked { told: false, kept: Kept::Fields(FIELDS) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Report, _: &[Finding]) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a value. Numbers, times and addresses need no quotes in any dialect.
fn write_cell(value: &Value<'_>, column: &Column, line: &mut Line, times: &mut Times) {
    let joined = match value {
        Value::Bool(yes) => return line.bytes.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Int(number) => return text::whole(*number, &mut line.bytes),
        Value::Seconds(span) => return (column.span)(*span, &mut line.bytes),
        Value::Address(address) => return text::address(*address, &mut line.bytes),
        Value::Time(time) => return times.rfc3339(*time, &mut line.bytes),
        Value::Text(text) => return line.text(text),
        Value::Seen(seen) => seen.to_string(),
        Value::Texts(texts) => texts.join(" "),
        Value::Records(records) => {
            let records = records.iter().map(|record| format!("{} {}", record.rtype, record.data));
            records.collect::<Vec<_>>().join(" | ")
        }
    };
    line.text(&joined);
}

fn writer(dialect: Dialect) -> WriterBuilder {
    let mut writer = WriterBuilder::new();
    writer.delimiter(delimiter(dialect)).terminator(Terminator::CRLF);
    writer
}

/// The rules of [`writer`] about quotes, without its buffers.
fn rules(dialect: Dialect) -> csv_core::Writer {
    let mut rules = csv_core::WriterBuilder::new();
    rules.delimiter(delimiter(dialect)).terminator(csv_core::Terminator::CRLF);
    rules.build()
}

const fn delimiter(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::ExcelSemicolon => b';',
        Dialect::Excel | Dialect::Plain => b',',
    }
}

/// A line under way, as the `csv` crate's `Writer` writes it. That one takes a record, looks at every byte of it
/// again and copies it once more; here a text is looked at once and copied once.
struct Line {
    bytes: Vec<u8>,
    dialect: Dialect,
    rules: csv_core::Writer,
    /// What each byte may ask for, [`QUOTED`] and others.
    marks: [u8; 256],
}

/// A byte for which a cell stands in quotes.
const QUOTED: u8 = 1;
/// A control character.
const CONTROL: u8 = 2;
/// The byte with which UTF-8 begins U+0080 to U+00BF, of which half are control characters.
const MAY_BE_CONTROL: u8 = 4;
const LATIN_1: u8 = 0xc2;

impl Line {
    fn new(dialect: Dialect) -> Self {
        let rules = rules(dialect);
        let mut marks = [0; 256];
        for (byte, marks) in (0..=u8::MAX).zip(&mut marks) {
            *marks |= if rules.is_special_byte(byte) { QUOTED } else { 0 };
            *marks |= if byte.is_ascii_control() { CONTROL } else { 0 };
            *marks |= if byte == LATIN_1 { MAY_BE_CONTROL } else { 0 };
        }
        Self { bytes: Vec::new(), dialect, rules, marks }
    }

    /// Writes text into the cell that is under way.
    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let marks = self.marks_of(bytes);
        let is_safe = self.dialect == Dialect::Plain
            || bytes.len() <= LONGEST_CELL && bytes.first().is_some_and(u8::is_ascii_alphanumeric);
        if marks == 0 && is_safe {
            self.bytes.extend_from_slice(bytes); // as most is
        } else {
            self.odd_text(text, marks);
        }
    }

    #[inline(never)] // what it needs is not made ready for the others
    fn odd_text(&mut self, text: &str, marks: u8) {
        let cell = if self.dialect == Dialect::Plain { text.into() } else { safe(text, marks) };
        // Nothing that makes a cell safe asks for quotes; that it is cut may spare them.
        if marks & QUOTED != 0 && self.rules.should_quote(cell.as_bytes()) {
            self.quoted(cell.as_bytes());
        } else {
            self.bytes.extend_from_slice(cell.as_bytes());
        }
    }

    /// The marks of all bytes together.
    fn marks_of(&self, bytes: &[u8]) -> u8 {
        let join = |all: u8, &byte: &u8| all | self.marks.get(usize::from(byte)).unwrap_or(&0);
        // Of a part of known length, the compiler makes no loop.
        let (parts, rest) = bytes.as_chunks::<8>();
        rest.iter().fold(parts.iter().fold(0, |all, part| part.iter().fold(all, join)), join)
    }

    fn quoted(&mut self, cell: &[u8]) {
        let (quote, escape, double) = (self.rules.get_quote(), self.rules.get_escape(), self.rules.get_double_quote());
        self.bytes.push(quote);
        let begin = self.bytes.len();
        self.bytes.resize(begin + 2 * cell.len(), 0); // each may be a quote
        let room = self.bytes.get_mut(begin..).unwrap_or_default();
        let (_, _, written) = csv_core::quote(cell, room, quote, escape, double);
        self.bytes.truncate(begin + written);
        self.bytes.push(quote);
    }

    fn end_cell(&mut self) {
        self.bytes.push(self.rules.get_delimiter());
    }

    /// Ends the line behind its last cell.
    fn end(&mut self) {
        self.bytes.pop();
        if self.bytes.is_empty() {
            self.quoted(b""); // one empty cell, which is no empty line
        }
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// Text from a capture, made safe for a spreadsheet: it begins no formula (also behind blanks, which some programs
/// trim), holds no control characters that end the import, and is not too long. Programs get it as it is.
fn safe(text: &str, marks: u8) -> Cow<'_, str> {
    let has_control = marks & CONTROL != 0 || marks & MAY_BE_CONTROL != 0 && has_control_beyond_ascii(text);
    let mut cell = Cow::Borrowed(text);
    if has_control {
        cell = cell.chars().map(visible).collect();
    }
    if cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        cell.to_mut().insert(0, '\'');
    }
    // No more bytes, no more characters.
    if cell.len() > LONGEST_CELL && cell.encode_utf16().count() > LONGEST_CELL {
        let mut room = LONGEST_CELL - CUT.encode_utf16().count();
        let fits = cell.char_indices().find(|(_, char)| {
            let fits = char.len_utf16() <= room;
            room = room.saturating_sub(char.len_utf16());
            !fits
        });
        if let Some((end, _)) = fits {
            cell.to_mut().truncate(end);
        }
        cell.to_mut().push_str(CUT);
    }
    cell
}

/// Whether text holds one of U+0080 to U+009F.
fn has_control_beyond_ascii(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(LATIN_1, bytes).any(|at| bytes.get(at + 1).is_some_and(|&second| second < 0xa0))
}

/// A control character as its picture, which importers keep.
fn visible(char: char) -> char {
    match char {
        '\n' | '\r' | '\t' => char,
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(char)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        char if char.is_control() => '\u{fffd}',
        char => char,
    }
}

/// Names of the columns, in order.
pub fn columns() -> Vec<Cow<'static, str>> {
    COLUMNS.iter().map(|&(name, _)| name.into()).chain(["findings".into()]).collect()
}

#[cfg(test)]
mod tests {
    use ::csv::ByteRecord;
    use proptest::prelude::*;

    use super::*;

    fn line(dialect: Dialect, cells: &[&str]) -> String {
        let mut line = Line::new(dialect);
        for cell in cells {
            line.text(cell);
            line.end_cell();
        }
        line.end();
        String::from_utf8(line.bytes).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(line(Dialect::Excel, &["x", text]), format!("x,{expected}\r\n"));
        assert_eq!(line(Dialect::Plain, &["x", text]), format!("x,{text}\r\n"));
    }

    #[test]
    fn no_cell_is_a_formula() {
        check("=1+1", "'=1+1");
        check("+4930", "'+4930");
        check("-", "'-");
        check("@a", "'@a");
        check("\t=1", "'\t=1");
        check("é·1", "é·1");
        check("é\u{80}\u{9f}\u{a0}", "é\u{fffd}\u{fffd}\u{a0}");
        check("\u{7f}é", "␡é");
        check("  =1", "'  =1");
        check("＝1", "'＝1");
        check("a=1", "a=1");
        check("", "");
        check("a\0b\u{1b}[31m", "a␀b␛[31m");
    }

    #[test]
    fn long_cells_are_cut_and_say_so() {
        let long = "😀".repeat(20_000);
        let line = line(Dialect::Excel, &[&long]);
        let cell = line.trim_end();
        assert!(cell.ends_with(CUT));
        assert!(cell.encode_utf16().count() <= LONGEST_CELL);
    }

    #[track_caller]
    fn check_line(dialect: Dialect, cells: [&str; 3], expected: &str) {
        assert_eq!(line(dialect, &cells), expected);
    }

    #[test]
    fn cells_are_quoted_where_they_must() {
        check_line(Dialect::Excel, ["a", "", "b c"], "a,,b c\r\n");
        check_line(Dialect::Excel, ["a,b", "\"", "c;d"], "\"a,b\",\"\"\"\",c;d\r\n");
        check_line(Dialect::ExcelSemicolon, ["a,b", "=1", "c;d"], "a,b;'=1;\"c;d\"\r\n");
        check_line(Dialect::Plain, ["=1", "a\r\nb", "\"\"é\""], "=1,\"a\r\nb\",\"\"\"\"\"é\"\"\"\r\n");
    }

    /// A text that is not too long, made safe character by character.
    fn made_safe(text: &str, dialect: Dialect) -> String {
        if dialect == Dialect::Plain {
            return text.to_owned();
        }
        let cell: String = text.chars().map(visible).collect();
        let is_formula =
            cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
        if is_formula { format!("'{cell}") } else { cell }
    }

    /// The line that the `csv` crate writes.
    fn written(dialect: Dialect, cells: &[&str]) -> String {
        let mut out = writer(dialect).from_writer(Vec::new());
        let cells: Vec<_> = cells.iter().map(|cell| made_safe(cell, dialect)).collect();
        out.write_byte_record(&ByteRecord::from(cells)).unwrap();
        String::from_utf8(out.into_inner().unwrap()).unwrap()
    }

    #[track_caller]
    fn check_as_written(cells: &[&str]) {
        for dialect in [Dialect::Excel, Dialect::ExcelSemicolon, Dialect::Plain] {
            assert_eq!(line(dialect, cells), written(dialect, cells), "{dialect:?} {cells:?}");
        }
    }

    #[test]
    fn odd_lines_are_as_the_crate_writes_them() {
        check_as_written(&[""]);
        check_as_written(&["", ""]);
        check_as_written(&["\"\"\"\"\"\"\"\"\"", ""]);
        for byte in 0..=0xff_u8 {
            check_as_written(&[&char::from(byte).to_string(), &format!("seventeen letters{}", char::from(byte))]);
        }
    }

    fn text() -> impl Strategy<Value = String> {
        let odd = ['"', ',', ';', '\r', '\n', '\t', ' ', '=', '\'', '\0', '\u{7f}', '\u{85}', '\u{b7}', '＝', 'a', '1'];
        let char = prop_oneof![4 => proptest::sample::select(odd.to_vec()), 1 => any::<char>()];
        proptest::collection::vec(char, 0..20).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn lines_are_as_the_crate_writes_them(cells in proptest::collection::vec(text(), 1..5)) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            check_as_written(&cells);
        }
    }

    #[test]
    fn columns_are_those_of_the_contract() {
        let expected = "row,time,elapsed_s,delta_s,input,frame,direction,src_ip,src_port,dst_ip,dst_port,protocol,summary,\
            dns_name,dns_type,dns_rcode,dns_answers,rtt_ms,call_id,cseq,method,status,reason,from,to,event,content_type,\
            body_bytes,response_ms,url,sni,tls_version,cipher_suite,alert,flow,login,step,findings";
        assert_eq!(columns().join(","), expected);
    }
}
