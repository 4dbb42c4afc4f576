//! Values of a row on the way into columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeListBuilder, Float32Array, Float32Builder, Float64Array, Int32Array, Int64Array, ListBuilder,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use chrono::{DateTime, Utc};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// A small whole number.
    Whole,
    /// A whole number.
    Count,
    Number,
    /// Seconds, or what needs as many digits.
    Double,
    Text,
    Texts,
    Numbers,
    /// So many numbers.
    Vector(i32),
    Time,
}

fn element(kind: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", kind, true))
}

impl Kind {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Whole => DataType::Int32,
            Self::Count => DataType::Int64,
            Self::Number => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::List(element(DataType::Utf8)),
            Self::Numbers => DataType::List(element(DataType::Float32)),
            Self::Vector(dim) => DataType::FixedSizeList(element(DataType::Float32), dim),
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Whole => "int32",
            Self::Count => "int64",
            Self::Number => "float32",
            Self::Double => "float64",
            Self::Text => "string",
            Self::Texts => "list<string>",
            Self::Numbers => "list<float32>",
            Self::Vector(_) => "float32[dim]",
            Self::Time => "timestamp",
        }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Whole(i32),
    Count(i64),
    Number(f32),
    Double(f64),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<f32>),
    Time(DateTime<Utc>),
}

macro_rules! from {
    ($($kind:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Self::$variant(value)
            }
        })+
    };
}

from!(bool => Bool, i32 => Whole, i64 => Count, f32 => Number, f64 => Double, String => Text, Vec<String> => Texts, Vec<f32> => Numbers, DateTime<Utc> => Time);

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A feature of something: its name, type, unit, meaning, and how it is read.
pub(super) struct Feature<T> {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) meaning: String,
    pub(super) read: Box<dyn Fn(&T) -> Cell + Send + Sync>,
}

impl<T> Feature<T> {
    pub(super) fn of<C: Into<Cell>>(
        name: &str,
        kind: Kind,
        unit: &'static str,
        meaning: &str,
        read: impl Fn(&T) -> C + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.to_owned(), kind, unit, meaning: meaning.to_owned(), read: Box::new(move |of| read(of).into()) }
    }
}

/// Of every cell the value of one variant; none of others.
macro_rules! values {
    ($cells:expr, $variant:ident) => {
        $cells.into_iter().map(|cell| if let Cell::$variant(value) = cell { Some(value) } else { None })
    };
}

/// The cells of a column; one that does not fit its type is null.
pub(super) fn array(kind: Kind, cells: Vec<Cell>) -> ArrayRef {
    match kind {
        Kind::Bool => Arc::new(values!(cells, Bool).collect::<BooleanArray>()),
        Kind::Whole => Arc::new(values!(cells, Whole).collect::<Int32Array>()),
        Kind::Count => Arc::new(values!(cells, Count).collect::<Int64Array>()),
        Kind::Number => Arc::new(values!(cells, Number).collect::<Float32Array>()),
        Kind::Double => Arc::new(values!(cells, Double).collect::<Float64Array>()),
        Kind::Text => Arc::new(values!(cells, Text).collect::<StringArray>()),
        Kind::Time => {
            let micros: TimestampMicrosecondArray = values!(cells, Time).map(|time| time.map(|t| t.timestamp_micros())).collect();
            Arc::new(micros.with_timezone("UTC"))
        }
        Kind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8));
            for list in values!(cells, Texts) {
                lists.append_option(list.map(|texts| texts.into_iter().map(Some)));
            }
            Arc::new(lists.finish())
        }
        Kind::Numbers => {
            let mut lists = ListBuilder::new(Float32Builder::new()).with_field(element(DataType::Float32));
            for list in values!(cells, Numbers) {
                lists.append_option(list.map(|numbers| numbers.into_iter().map(Some)));
            }
            Arc::new(lists.finish())
        }
        Kind::Vector(dim) => vectors(dim, cells),
    }
}

fn vectors(dim: i32, cells: Vec<Cell>) -> ArrayRef {
    let length = usize::try_from(dim).unwrap_or(0);
    let mut lists = FixedSizeListBuilder::new(Float32Builder::new(), dim).with_field(element(DataType::Float32));
    for vector in values!(cells, Numbers).map(|vector| vector.filter(|v| v.len() == length)) {
        match &vector {
            Some(numbers) => lists.values().append_slice(numbers),
            None => lists.values().append_nulls(length),
        }
        lists.append(vector.is_some());
    }
    Arc::new(lists.finish())
}
