//! From what stands in a file to records: which format it is in, and what of a row or an object is the record.

use std::collections::VecDeque;

use bytes::Bytes;
use office365::SplitFault;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::Format;

/// The column, or field, with the record.
const AUDIT_DATA: &str = "AuditData";

/// What separates columns: a comma, or what PowerShell takes with `-UseCulture` and Excel in half of Europe.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The format of text that begins with `start`.
pub(super) fn format_of(start: &[u8]) -> Option<Format> {
    match start.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'[' => Some(Format::Json),
        b'{' => Some(Format::Ndjson),
        _ => Some(Format::Csv),
    }
}

/// Whether a line is no record: it is blank, or PowerShell's note of the type of what it has exported.
pub(super) fn is_noise(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || line.starts_with(b"#TYPE ") || line.starts_with(b"\"#TYPE ")
}

/// The header of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    delimiter: u8,
    /// The columns' names, as they stand there.
    fields: Vec<Vec<u8>>,
    /// Number of the column with the record.
    audit_data: usize,
}

impl Header {
    /// Reads a header; nothing if it has no column `AuditData`.
    pub(super) fn parse(line: &[u8]) -> Option<Header> {
        DELIMITERS.iter().find_map(|&delimiter| {
            let fields = fields(line, delimiter)?;
            let is_it =
                |field: &Vec<u8>| field.trim_ascii().eq_ignore_ascii_case(AUDIT_DATA.as_bytes());
            let audit_data = fields.iter().position(is_it)?;
            Some(Header { delimiter, fields, audit_data })
        })
    }

    /// The record of the row at `offset`; nothing if the row is the header once more, as in files that were joined.
    pub(super) fn item(&self, line: Vec<u8>, offset: u64) -> Option<Item> {
        let bad = |payload, fault: String| Some(Item { offset, payload, fault: Some(fault) });
        let Some(mut fields) = fields(&line, self.delimiter) else {
            return bad(line, "row is no CSV".to_owned());
        };
        if fields == self.fields {
            return None;
        }
        let (has, needs) = (fields.len(), self.fields.len());
        if has != needs {
            return bad(line, format!("row has {has} fields, and the header {needs}"));
        }
        Some(Item { offset, payload: fields.swap_remove(self.audit_data), fault: None })
    }
}

fn fields(line: &[u8], delimiter: u8) -> Option<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(line);
    let row = reader.byte_records().next()?.ok()?;
    Some(row.iter().map(<[u8]>::to_vec).collect())
}

/// The record in an object: the object itself, or what an export to JSON has as text in its `AuditData`.
pub(super) fn unwrapped(object: Vec<u8>) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Exported<'a> {
        #[serde(rename = "AuditData")]
        audit_data: String,
        /// A record has one of its own.
        #[serde(rename = "CreationTime", borrow, default)]
        creation_time: Option<&'a RawValue>,
    }
    if memchr::memmem::find(&object, b"\"AuditData\"").is_none() {
        return object;
    }
    match serde_json::from_slice::<Exported<'_>>(&object) {
        Ok(Exported { audit_data, creation_time: None }) => audit_data.into_bytes(),
        Ok(Exported { creation_time: Some(_), .. }) | Err(_) => object,
    }
}

/// A record as it stands in a file, or what cannot be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its offset in the text, or its number in an array.
    pub(super) offset: u64,
    pub(super) payload: Vec<u8>,
    /// Why it is no record.
    pub(super) fault: Option<String>,
}

/// Items in order.
pub(super) type Items = VecDeque<Item>;

/// The record that is element `number` of an array; the fault where nothing of the array follows.
pub(super) fn element_item(
    element: Result<Bytes, SplitFault>,
    number: u64,
) -> Result<Item, SplitFault> {
    let fault = match element {
        Ok(element) => {
            let payload = unwrapped(element.to_vec());
            return Ok(Item { offset: number, payload, fault: None });
        }
        Err(fault) => fault,
    };
    let reason = Some(fault.to_string());
    match fault {
        SplitFault::TooLarge { prefix: payload, .. }
        | SplitFault::NotAnObject { value: payload, .. } => {
            Ok(Item { offset: number, payload: payload.to_vec(), fault: reason })
        }
        fatal @ (SplitFault::NotAnArray { .. }
        | SplitFault::Syntax { .. }
        | SplitFault::Truncated { .. }
        | SplitFault::Trailing { .. }) => Err(fatal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(header: &str, line: &str) -> Option<Result<String, String>> {
        let header = Header::parse(header.as_bytes()).expect("a header");
        let Item { payload, fault, .. } = header.item(line.as_bytes().to_vec(), 0)?;
        let text = String::from_utf8(payload).expect("text");
        Some(fault.map_or(Ok(text), Err))
    }

    #[test]
    fn the_record_of_a_row_is_its_audit_data() {
        let record = Some(Ok("{\"Id\":\"1\"}".to_owned()));
        for (header, line) in [
            ("CreationDate,UserIds,Operations,AuditData", "2024,a,b,\"{\"\"Id\"\":\"\"1\"\"}\""),
            ("\"RecordType\",\"AuditData\",\"Identity\"", "\"x\",\"{\"\"Id\"\":\"\"1\"\"}\",\"y\""),
            ("RecordId;AuditData", "1;\"{\"\"Id\"\":\"\"1\"\"}\""),
            ("auditdata\tx", "{\"Id\":\"1\"}\ty"),
        ] {
            assert_eq!(row(header, line), record, "{header}");
        }
        assert_eq!(row("a,AuditData", "a,AuditData"), None, "the header once more");
        let odd = Some(Err("row has 3 fields, and the header 2".to_owned()));
        assert_eq!(row("a,AuditData", "1,2,3"), odd);
        assert_eq!(Header::parse(b"CreationDate,UserIds"), None);
    }

    #[test]
    fn an_object_of_an_export_holds_the_record_as_text() {
        let exported = r#"{"RecordType":1,"AuditData":"{\"Id\":\"1\"}"}"#;
        assert_eq!(unwrapped(exported.into()), br#"{"Id":"1"}"#);
        for itself in [
            r#"{"Id":"1","CreationTime":"t"}"#,
            r#"{"Id":"1","CreationTime":"t","AuditData":"x"}"#,
            r#"{"AuditData":{"Id":"1"}}"#,
            r#"{"AuditData":"#,
        ] {
            assert_eq!(unwrapped(itself.into()), itself.as_bytes());
        }
    }
}
