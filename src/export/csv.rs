//! CSV for spreadsheets and programs (RFC 4180, CRLF): one row a timeline row, always all columns.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use ::csv::{ByteRecord, Terminator, Writer, WriterBuilder};

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
    out: Writer<Box<dyn Write>>,
    columns: Vec<Column>,
    dialect: Dialect,
    /// Used again for each row.
    record: ByteRecord,
    /// Used again for each cell.
    cell: String,
    times: Times,
}

impl Csv {
    fn begin(mut out: Box<dyn Write>, choices: Choices) -> io::Result<Box<dyn Export>> {
        if choices.dialect != Dialect::Plain {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let delimiter = if choices.dialect == Dialect::ExcelSemicolon { b';' } else { b',' };
        let mut out = WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::CRLF)
            .buffer_capacity(64 << 10)
            .from_writer(out);
        let columns = || COLUMNS.iter().chain(&[("findings", "findings")]);
        out.write_record(columns().map(|(name, _)| name)).map_err(io::Error::from)?;
        let columns = columns().map(|(name, field)| Column::new(name, field)).collect();
        let (record, cell, times) = (ByteRecord::new(), String::new(), Times::default());
        Ok(Box::new(Self { out, columns, dialect: choices.dialect, record, cell, times }))
    }
}

impl Export for Csv {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.record.clear();
        for column in &self.columns {
            self.cell.clear();
            if let Some(value) = (column.value)(row) {
                let captured = write_cell(&value, column.digits, &mut self.times, &mut self.cell);
                if captured && self.dialect != Dialect::Plain {
                    make_safe(&mut self.cell);
                }
            }
            self.record.push_field(self.cell.as_bytes());
        }
        self.out.write_byte_record(&self.record).map_err(io::Error::from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Report, _: &[Finding]) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a value; returns whether it may hold text from the capture.
fn write_cell(value: &Value<'_>, digits: u32, times: &mut Times, cell: &mut String) -> bool {
    match value {
        Value::Bool(yes) => cell.push_str(if *yes { "true" } else { "false" }),
        Value::Int(number) => text::whole(*number, cell),
        Value::Seconds(span) => text::decimal(*span, digits, cell),
        Value::Address(address) => text::address(*address, cell),
        Value::Time(time) => times.rfc3339(*time, cell),
        Value::Text(text) => {
            cell.push_str(text);
            return true;
        }
        Value::Seen(seen) => _ = write!(cell, "{seen}"),
        Value::Texts(texts) => {
            cell.push_str(&texts.join(" "));
            return true;
        }
        Value::Records(records) => {
            let records = records.iter().map(|record| format!("{} {}", record.rtype, record.data));
            cell.push_str(&records.collect::<Vec<_>>().join(" | "));
            return true;
        }
    }
    false
}

/// Makes text from a capture safe for a spreadsheet: it begins no formula (also behind blanks, which
/// some programs trim), holds no control characters that end the import, and is not too long.
fn make_safe(cell: &mut String) {
    let is_plain = is_plain(cell);
    if is_plain && cell.len() <= LONGEST_CELL && cell.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return; // as most are
    }
    if !is_plain && cell.contains(|char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
        *cell = cell.chars().map(visible).collect();
    }
    if cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        cell.insert(0, '\'');
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
            cell.truncate(end);
        }
        cell.push_str(CUT);
    }
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
        let mut cell = text.to_owned();
        make_safe(&mut cell);
        assert_eq!(cell, expected);
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
        let mut cell = "😀".repeat(20_000);
        make_safe(&mut cell);
        assert!(cell.ends_with(CUT));
        assert!(cell.encode_utf16().count() <= LONGEST_CELL);
    }

    #[test]
    fn columns_are_those_of_the_contract() {
        let expected = "row,time,elapsed_s,delta_s,input,frame,direction,src_ip,src_port,dst_ip,dst_port,protocol,summary,\
            dns_name,dns_type,dns_rcode,dns_answers,rtt_ms,call_id,cseq,method,status,reason,from,to,event,content_type,\
            body_bytes,response_ms,url,sni,tls_version,cipher_suite,alert,flow,login,step,findings";
        assert_eq!(columns().join(","), expected);
    }
}
