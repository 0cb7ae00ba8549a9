//! CSV for spreadsheets and programs (RFC 4180, CRLF): one row a timeline row, always all columns.

use std::borrow::Cow;
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
    line: ByteRecord,
    cell: Vec<u8>,
    times: Times,
}

impl Csv {
    fn begin(mut out: Box<dyn Write>, choices: Choices) -> io::Result<Box<dyn Export>> {
        let dialect = choices.dialect;
        if dialect != Dialect::Plain {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let mut out = writer(dialect).from_writer(out);
        let columns = || COLUMNS.iter().chain(&[("findings", "findings")]);
        out.write_record(columns().map(|(name, _)| name)).map_err(io::Error::from)?;
        let columns = columns().map(|(name, field)| Column::new(name, field)).collect();
        let (line, cell, times) = (ByteRecord::new(), Vec::new(), Times::default());
        Ok(Box::new(Self { out, columns, dialect, line, cell, times }))
    }
}

fn writer(dialect: Dialect) -> WriterBuilder {
    let mut writer = WriterBuilder::new();
    let delimiter = if dialect == Dialect::ExcelSemicolon { b';' } else { b',' };
    writer.delimiter(delimiter).terminator(Terminator::CRLF).buffer_capacity(64 << 10);
    writer
}

impl Export for Csv {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.line.clear();
        for column in &self.columns {
            self.cell.clear();
            match (column.value)(row) {
                None => {}
                Some(Value::Text(text)) => {
                    self.line.push_field(safe(&text, self.dialect).as_bytes());
                    continue;
                }
                Some(value) => write_cell(&value, column.digits, self.dialect, &mut self.times, &mut self.cell),
            }
            self.line.push_field(&self.cell);
        }
        self.out.write_byte_record(&self.line).map_err(io::Error::from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Report, _: &[Finding]) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a value.
fn write_cell(value: &Value<'_>, digits: u32, dialect: Dialect, times: &mut Times, cell: &mut Vec<u8>) {
    let mut captured = |text: &str| cell.extend_from_slice(safe(text, dialect).as_bytes());
    match value {
        Value::Bool(yes) => cell.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Int(number) => text::whole(*number, cell),
        Value::Seconds(span) => text::decimal(*span, digits, cell),
        Value::Address(address) => text::address(*address, cell),
        Value::Time(time) => times.rfc3339(*time, cell),
        Value::Text(text) => captured(text),
        Value::Seen(seen) => cell.extend_from_slice(seen.to_string().as_bytes()),
        Value::Texts(texts) => captured(&texts.join(" ")),
        Value::Records(records) => {
            let records = records.iter().map(|record| format!("{} {}", record.rtype, record.data));
            captured(&records.collect::<Vec<_>>().join(" | "));
        }
    }
}

/// Text from a capture, made safe for a spreadsheet: it begins no formula (also behind blanks, which some programs
/// trim), holds no control characters that end the import, and is not too long. Programs get it as it is.
fn safe(text: &str, dialect: Dialect) -> Cow<'_, str> {
    if dialect == Dialect::Plain {
        return text.into();
    }
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
        assert_eq!(safe(text, Dialect::Excel), expected);
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
        let cell = safe(&long, Dialect::Excel);
        assert!(cell.ends_with(CUT));
        assert!(cell.encode_utf16().count() <= LONGEST_CELL);
    }

    #[track_caller]
    fn check_line(dialect: Dialect, cells: [&str; 3], expected: &str) {
        let mut out = writer(dialect).from_writer(Vec::new());
        out.write_record(cells.map(|cell| safe(cell, dialect).into_owned())).unwrap();
        assert_eq!(String::from_utf8(out.into_inner().unwrap()).unwrap(), expected);
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
