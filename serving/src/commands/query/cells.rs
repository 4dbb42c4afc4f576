//! Results as tables for people: cells as text, numbers to the right, widths of wide characters as terminals show them.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

/// Lines as psql and Arrow draw them.
const PRESET: &str = "||--+-++|    ++++++";

/// The first `rows` rows of batches as text, column by column; cells longer than `width` characters are cut.
pub(super) fn cells(batches: &[RecordBatch], rows: usize, width: Option<usize>) -> anyhow::Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("NULL").with_display_error(true);
    let mut all = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let wanted = batch.num_rows().min(rows - all.len());
        all.extend((0..wanted).map(|row| columns.iter().map(|column| cut(column.value(row).to_string(), width)).collect()));
    }
    Ok(all)
}

fn cut(text: String, width: Option<usize>) -> String {
    match width.and_then(|width| text.char_indices().nth(width)) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A table with a header, numbers to the right.
pub(super) fn table(schema: &Schema, rows: Vec<Vec<String>>) -> String {
    let headers: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let numbers: Vec<bool> = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    draw(&headers, rows, |column| numbers.get(column) == Some(&true), ContentArrangement::Disabled)
}

/// A table that keeps to the width of a terminal; what does not fit is broken into lines.
pub(super) fn fitted(headers: &[&str], rows: Vec<Vec<String>>, right: impl Fn(usize) -> bool) -> String {
    draw(headers, rows, right, ContentArrangement::Dynamic)
}

fn draw(headers: &[&str], rows: Vec<Vec<String>>, right: impl Fn(usize) -> bool, arrangement: ContentArrangement) -> String {
    let mut table = Table::new();
    table.load_preset(PRESET).set_content_arrangement(arrangement).set_header(headers);
    for row in rows {
        table.add_row(
            row.into_iter().enumerate().map(|(column, text)| {
                Cell::new(text).set_alignment(if right(column) { CellAlignment::Right } else { CellAlignment::Left })
            }),
        );
    }
    table.to_string()
}

/// Every row as a block of lines, one for each column.
pub(super) fn expanded(schema: &Schema, rows: &[Vec<String>]) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        lines.push(format!("-[ {} ]{}", n + 1, "-".repeat(widest)));
        lines.extend(names.iter().zip(row).map(|(name, text)| format!("{name:<widest$} | {text}")));
    }
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn batch() -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([
            ("名字", Arc::new(StringArray::from(vec![Some("小红"), Some("Bob"), None])) as _, true),
            ("n", Arc::new(Int64Array::from(vec![1, 200, 30])) as _, true),
        ])
        .unwrap()
    }

    #[test]
    fn wide_characters_take_two_places_and_numbers_stand_right() {
        let rows = cells(&[batch()], 10, None).unwrap();
        let drawn = table(&batch().schema(), rows.clone());
        assert_eq!(drawn, "+------+-----+\n| 名字 | n   |\n+------+-----+\n| 小红 |   1 |\n| Bob  | 200 |\n| NULL |  30 |\n+------+-----+");
        assert_eq!(expanded(&batch().schema(), &rows[..1]), "-[ 1 ]--\n名字 | 小红\nn  | 1");
    }

    #[test]
    fn rows_and_long_cells_are_cut() {
        let cut = cells(&[batch(), batch()], 4, Some(2)).unwrap();
        assert_eq!(cut.len(), 4);
        assert_eq!(cut[1], ["Bo…", "20…"]);
        assert_eq!(cut[0][0], "小红");
    }
}
