//! Real rows, where they are at hand.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::eval::protocols::contacts::Message;
use crate::eval::protocols::meetings::Meeting;
use crate::eval::protocols::newcomers::{Answers, Pair, features};
use crate::eval::protocols::partners::Gift;

/// A table of numbers by the names of its columns; NaN where there is none. Columns of text are left out.
type Table = BTreeMap<String, Vec<f64>>;

/// The table, or nothing, with the reason printed.
fn table(file: &str) -> Option<Table> {
    let opened = std::fs::File::open(crate::parts::data(file)?).unwrap();
    let mut table = Table::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(opened).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()).filter(|(f, _)| f.data_type().is_numeric()) {
            let numbers = cast(column, &DataType::Float64).unwrap();
            let values = numbers.as_primitive::<Float64Type>().iter().map(|x| x.unwrap_or(f64::NAN));
            table.entry(field.name().clone()).or_default().extend(values);
        }
    }
    Some(table)
}

fn rows<T>(table: &Table, any: &str, make: impl Fn(&dyn Fn(&str) -> f64) -> T) -> Vec<T> {
    (0..table[any].len()).map(|i| make(&|name| table[name][i])).collect()
}

pub(super) fn meetings() -> Option<Vec<Meeting>> {
    let table = table("speed_dating/pairs_dev.parquet")?;
    Some(rows(&table, "man", |of| Meeting {
        group: of("wave") as u32,
        turn: of("order") as u32,
        people: [of("man") as u64, of("woman") as u64],
        yes: [of("man_yes") == 1.0, of("woman_yes") == 1.0],
    }))
}

pub(super) fn messages() -> Option<Vec<Message>> {
    let table = table("people_to_people/college_msg_dev.parquet")?;
    Some(rows(&table, "src", |of| Message { from: of("src") as u64, to: of("dst") as u64, at: of("ts") as i64 }))
}

pub(super) fn gifts() -> Option<Vec<Gift>> {
    let table = table("people_to_people/ratebeer_transfers_dev.parquet")?;
    Some(rows(&table, "giver", |of| Gift { from: of("giver") as u64, to: of("receiver") as u64, at: of("ts") as i64 }))
}

const INTERESTS: [&str; 17] = [
    "sports", "tvsports", "exercise", "dining", "museums", "art", "hiking", "gaming", "clubbing", "reading", "tv", "theater", "movies",
    "concerts", "music", "shopping", "yoga",
];

pub(super) fn newcomers() -> Option<Vec<Pair>> {
    let users = table("speed_dating/users_dev.parquet")?;
    let answers = rows(&users, "iid", |of| {
        let answers = Answers {
            age: of("age"),
            race: of("race"),
            race_matters: of("imprace"),
            field: of("field_cd"),
            goal: of("goal"),
            dates: of("date"),
            goes_out: of("go_out"),
            hopes: of("exphappy"),
            sees_self: ["attr3_1", "sinc3_1", "intel3_1", "fun3_1", "amb3_1"].map(of),
            interests: INTERESTS.map(of).to_vec(),
            exercise: 2,
        };
        (of("iid") as u64, answers)
    });
    let answers: BTreeMap<u64, Answers> = answers.into_iter().collect();
    let pair = |m: &Meeting| Pair { group: m.group, features: features(&answers[&m.people[0]], &answers[&m.people[1]]), yes: m.yes };
    Some(meetings()?.iter().map(pair).collect())
}
