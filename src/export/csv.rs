//! CSV for spreadsheets and programs (RFC 4180, CRLF): one row a timeline row, always all columns.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use csv_core::{Terminator, WriterBuilder};

use crate::export::text::{self, Times};
use crate::export::{Choices, Export, Exporter};
use crate::findings::Finding;
use crate::story::fields::{self, Getter, Value};
use crate::story::{Report, Row};

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
    value: Getter,
    /// Of a second, all down to the nanosecond; of a millisecond.
    digits: u32,
}

impl Column {
    fn new(name: &str, field: &str) -> Self {
        let value = fields::find(field).map_or(SINCE_ROW_BEFORE, |field| field.value);
        Self { value, digits: if name.ends_with("_ms") { 6 } else { 9 } }
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

struct Csv {
    out: BufWriter<Box<dyn Write>>,
    columns: Vec<Column>,
    line: Line,
    times: Times,
}

impl Csv {
    fn begin(out: Box<dyn Write>, choices: Choices) -> io::Result<Box<dyn Export>> {
        let mut out = BufWriter::with_capacity(64 << 10, out);
        if choices.dialect != Dialect::Plain {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let columns = || COLUMNS.iter().chain(&[("findings", "findings")]);
        let mut line = Line::new(choices.dialect);
        for (name, _) in columns() {
            line.begin_cell();
            line.text(name);
        }
        out.write_all(line.end())?;
        let columns = columns().map(|(name, field)| Column::new(name, field)).collect();
        Ok(Box::new(Self { out, columns, line, times: Times::default() }))
    }
}

impl Export for Csv {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.line.clear();
        for column in &self.columns {
            self.line.begin_cell();
            if let Some(value) = (column.value)(row) {
                write_cell(&value, column.digits, &mut self.times, &mut self.line);
            }
        }
        self.out.write_all(self.line.end())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Report, _: &[Finding]) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a value.
fn write_cell(value: &Value<'_>, digits: u32, times: &mut Times, line: &mut Line) {
    match value {
        Value::Bool(yes) => line.text(if *yes { "true" } else { "false" }),
        Value::Int(number) => text::whole(*number, &mut line.bytes),
        Value::Seconds(span) => text::decimal(*span, digits, &mut line.bytes),
        Value::Address(address) => text::address(*address, &mut line.bytes),
        Value::Time(time) => times.rfc3339(*time, &mut line.bytes),
        Value::Text(text) => line.captured(text),
        Value::Seen(seen) => line.text(&seen.to_string()),
        Value::Texts(texts) => line.captured(&texts.join(" ")),
        Value::Records(records) => {
            let records = records.iter().map(|record| format!("{} {}", record.rtype, record.data));
            line.captured(&records.collect::<Vec<_>>().join(" | "));
        }
    }
}

/// A line as it is written. Numbers and the like go right into its bytes: nothing in them needs quotes.
struct Line {
    bytes: Vec<u8>,
    first: bool,
    dialect: Dialect,
    rules: csv_core::Writer,
}

impl Line {
    fn new(dialect: Dialect) -> Self {
        let delimiter = if dialect == Dialect::ExcelSemicolon { b';' } else { b',' };
        let rules = WriterBuilder::new().delimiter(delimiter).terminator(Terminator::CRLF).build();
        Self { bytes: Vec::new(), first: true, dialect, rules }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.first = true;
    }

    fn begin_cell(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.bytes.push(self.rules.get_delimiter());
        }
    }

    /// Ends the line.
    fn end(&mut self) -> &[u8] {
        self.bytes.extend_from_slice(b"\r\n");
        &self.bytes
    }

    /// Text that may be from the capture.
    fn captured(&mut self, text: &str) {
        if self.dialect == Dialect::Plain { self.text(text) } else { self.text(&safe(text)) }
    }

    fn text(&mut self, text: &str) {
        let text = text.as_bytes();
        if !self.rules.should_quote(text) {
            return self.bytes.extend_from_slice(text);
        }
        let quote = self.rules.get_quote();
        self.bytes.push(quote);
        let start = self.bytes.len();
        // At most each is a quote.
        self.bytes.resize(start + 2 * text.len(), 0);
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        let (.., written) = csv_core::quote(text, room, quote, self.rules.get_escape(), self.rules.get_double_quote());
        self.bytes.truncate(start + written);
        self.bytes.push(quote);
    }
}

/// Text from a capture, made safe for a spreadsheet: it begins no formula (also behind blanks, which some programs
/// trim), holds no control characters that end the import, and is not too long.
fn safe(text: &str) -> Cow<'_, str> {
    let is_plain = is_plain(text);
    if is_plain && text.len() <= LONGEST_CELL && text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return text.into(); // as most is
    }
    let mut cell = Cow::Borrowed(text);
    if !is_plain && cell.contains(|char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
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

/// Whether text is of printable ASCII only.
fn is_plain(text: &str) -> bool {
    // Without a way out within a part, the compiler compares many at once.
    let part_is = |part: &[u8]| part.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    text.as_bytes().chunks(32).all(part_is)
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
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(safe(text), expected);
    }

    #[test]
    fn no_cell_is_a_formula() {
        check("=1+1", "'=1+1");
        check("+4930", "'+4930");
        check("-", "'-");
        check("@a", "'@a");
        check("\t=1", "'\t=1");
        check("  =1", "'  =1");
        check("＝1", "'＝1");
        check("a=1", "a=1");
        check("", "");
        check("a\0b\u{1b}[31m", "a␀b␛[31m");
    }

    #[test]
    fn long_cells_are_cut_and_say_so() {
        let long = "😀".repeat(20_000);
        let cell = safe(&long);
        assert!(cell.ends_with(CUT));
        assert!(cell.encode_utf16().count() <= LONGEST_CELL);
    }

    #[track_caller]
    fn check_line(dialect: Dialect, cells: [&str; 3], expected: &str) {
        let mut line = Line::new(dialect);
        for cell in cells {
            line.begin_cell();
            line.captured(cell);
        }
        assert_eq!(str::from_utf8(line.end()).unwrap(), expected);
    }

    #[test]
    fn cells_are_quoted_where_they_must() {
        check_line(Dialect::Excel, ["a", "", "b c"], "a,,b c\r\n");
        check_line(Dialect::Excel, ["a,b", "\"", "c;d"], "\"a,b\",\"\"\"\",c;d\r\n");
        check_line(Dialect::ExcelSemicolon, ["a,b", "=1", "c;d"], "a,b;'=1;\"c;d\"\r\n");
        check_line(Dialect::Plain, ["=1", "a\r\nb", "\"\"é\""], "=1,\"a\r\nb\",\"\"\"\"\"é\"\"\"\r\n");
    }

    #[test]
    fn columns_are_those_of_the_contract() {
        let expected = "row,time,elapsed_s,delta_s,input,frame,direction,src_ip,src_port,dst_ip,dst_port,protocol,summary,\
            dns_name,dns_type,dns_rcode,dns_answers,rtt_ms,call_id,cseq,method,status,reason,from,to,event,content_type,\
            body_bytes,response_ms,url,sni,tls_version,cipher_suite,alert,flow,login,step,findings";
        assert_eq!(columns().join(","), expected);
    }
}
