//! CSV for spreadsheets and programs (RFC 4180, CRLF): one row a timeline row, always all columns.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use ::csv::{Terminator, Writer, WriterBuilder};

use crate::export::{Choices, Export, Exporter, rfc3339};
use crate::findings::Finding;
use crate::story::fields::{self, Value};
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

/// How a column is made of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// As it is.
    Plain,
    /// Seconds as milliseconds.
    Millis,
}

struct Column {
    name: &'static str,
    /// `None` for columns whose field no row has yet, and for the one that is no field.
    field: Option<&'static fields::Field>,
    unit: Unit,
    delta: bool,
}

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
    cell: String,
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
        let columns = COLUMNS.iter().chain(&[("findings", "findings")]);
        let columns: Vec<_> = columns
            .map(|&(name, field)| Column {
                name,
                field: fields::find(field),
                unit: if name.ends_with("_ms") { Unit::Millis } else { Unit::Plain },
                delta: name == "delta_s",
            })
            .collect();
        out.write_record(columns.iter().map(|column| column.name)).map_err(io::Error::from)?;
        Ok(Box::new(Self { out, columns, dialect: choices.dialect, cell: String::new() }))
    }
}

impl Export for Csv {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        for column in &self.columns {
            self.cell.clear();
            if column.delta {
                let _ = write!(self.cell, "{:.9}", row.delta.as_secs_f64());
            } else if let Some(value) = column.field.and_then(|field| (field.value)(row)) {
                let captured = write_cell(&value, column.unit, &mut self.cell);
                if captured && self.dialect != Dialect::Plain {
                    make_safe(&mut self.cell);
                }
            }
            self.out.write_field(&self.cell).map_err(io::Error::from)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(io::Error::from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Report, _: &[Finding]) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a value; returns whether it may hold text from the capture.
fn write_cell(value: &Value<'_>, unit: Unit, cell: &mut String) -> bool {
    let _ = match value {
        Value::Bool(yes) => write!(cell, "{yes}"),
        Value::Int(number) => write!(cell, "{number}"),
        Value::Seconds(seconds) if unit == Unit::Millis => write!(cell, "{:.6}", seconds * 1e3),
        Value::Seconds(seconds) => write!(cell, "{seconds:.9}"),
        Value::Time(time) => write!(cell, "{}", rfc3339(*time)),
        Value::Text(text) => {
            cell.push_str(text);
            return true;
        }
        Value::Seen(seen) => write!(cell, "{seen}"),
        Value::Texts(texts) => {
            cell.push_str(&texts.join(" "));
            return true;
        }
        Value::Records(records) => {
            let records = records.iter().map(|record| format!("{} {}", record.rtype, record.data));
            cell.push_str(&records.collect::<Vec<_>>().join(" | "));
            return true;
        }
    };
    false
}

/// Makes text from a capture safe for a spreadsheet: it begins no formula (also behind blanks, which
/// some programs trim), holds no control characters that end the import, and is not too long.
fn make_safe(cell: &mut String) {
    let is_plain = cell.bytes().all(|byte| matches!(byte, b' '..=b'~'));
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
