//! Which days a condition on the time of rows leaves.
//!
//! Every row of a file under `dt=D` has its time within the day D (UTC): the lake writer cuts at midnight. So `event_time >= '2026-11-03 10:00'`
//! cannot hold in files of earlier days, and the same goes for whatever keeps the day of a time: a cast to a date, `date_trunc` to a day or less.
//! What is not understood leaves all days.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::{Cast, Expr, Operator, TryCast, col, lit};
use datafusion::scalar::ScalarValue;

const DAY_US: i128 = 86_400_000_000;

/// Days since 1970 that are left, both ends included; none where there is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Days {
    /// The first.
    pub(super) first: Option<i32>,
    /// The last.
    pub(super) last: Option<i32>,
}

impl Days {
    /// What conditions that must all hold leave of a table whose time is in the column `time`.
    pub(super) fn of(conditions: &[Expr], time: &str) -> Self {
        conditions.iter().fold(Self::default(), |days, condition| days.and(Self::left_by(condition, time)))
    }

    /// The same as conditions on a column of dates.
    pub(super) fn condition(self, column: &str) -> Vec<Expr> {
        let date = |day| lit(ScalarValue::Date32(Some(day)));
        let first = self.first.map(|day| col(column).gt_eq(date(day)));
        let last = self.last.map(|day| col(column).lt_eq(date(day)));
        first.into_iter().chain(last).collect()
    }

    fn and(self, other: Self) -> Self {
        let later = |a: Option<i32>, b: Option<i32>| a.max(b);
        let earlier = |a: Option<i32>, b: Option<i32>| a.into_iter().chain(b).min();
        Self { first: later(self.first, other.first), last: earlier(self.last, other.last) }
    }

    fn or(self, other: Self) -> Self {
        Self { first: self.first.zip(other.first).map(|(a, b)| a.min(b)), last: self.last.zip(other.last).map(|(a, b)| a.max(b)) }
    }

    fn left_by(condition: &Expr, time: &str) -> Self {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => Self::left_by(left, time).and(Self::left_by(right, time)),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => Self::left_by(left, time).or(Self::left_by(right, time)),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if keeps_day(left, time) => Self::compared(*op, right),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if keeps_day(right, time) => {
                op.swap().map_or_else(Self::default, |op| Self::compared(op, left))
            }
            Expr::Between(Between { expr, negated: false, low, high }) if keeps_day(expr, time) => {
                Self::compared(Operator::GtEq, low).and(Self::compared(Operator::LtEq, high))
            }
            Expr::InList(InList { expr, list, negated: false }) if keeps_day(expr, time) && !list.is_empty() => {
                let each = list.iter().map(|one| Self::compared(Operator::Eq, one));
                each.reduce(Self::or).unwrap_or_default()
            }
            _ => Self::default(),
        }
    }

    /// Days on which something that keeps the day of a time can compare so with a value.
    fn compared(op: Operator, value: &Expr) -> Self {
        let Some(at) = microseconds(value) else { return Self::default() };
        let day = |at: i128| i32::try_from(at.div_euclid(DAY_US)).ok();
        match op {
            Operator::Eq => Self { first: day(at), last: day(at) },
            Operator::Gt | Operator::GtEq => Self { first: day(at), last: None },
            Operator::LtEq => Self { first: None, last: day(at) },
            // Before midnight is the day before.
            Operator::Lt => Self { first: None, last: day(at - 1) },
            _ => Self::default(),
        }
    }
}

/// Whether the day (UTC) of a value of the expression is always that of the time of its row.
fn keeps_day(expr: &Expr, time: &str) -> bool {
    match expr {
        Expr::Column(column) => column.name == time,
        Expr::Alias(alias) => keeps_day(&alias.expr, time),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            let utc = match field.data_type() {
                DataType::Date32 => true,
                // Coarser units round towards 1970, which may be the next day for what was before.
                DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, zone) => {
                    zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00" | "Z"))
                }
                _ => false,
            };
            utc && keeps_day(expr, time)
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "date_trunc" => match args.as_slice() {
            [Expr::Literal(unit, _), of] => {
                let unit = unit.try_as_str().flatten().unwrap_or_default().to_lowercase();
                ["day", "hour", "minute", "second", "millisecond", "microsecond"].contains(&unit.as_str()) && keeps_day(of, time)
            }
            _ => false,
        },
        _ => false,
    }
}

/// A literal time in microseconds since 1970, rounded up; times without a zone are UTC, as they are where they are compared with one.
fn microseconds(value: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = value else { return None };
    match value {
        ScalarValue::TimestampSecond(Some(at), _) => Some(i128::from(*at) * 1_000_000),
        ScalarValue::TimestampMillisecond(Some(at), _) => Some(i128::from(*at) * 1_000),
        ScalarValue::TimestampMicrosecond(Some(at), _) => Some(i128::from(*at)),
        // Rows have whole microseconds: to be at or before a part of one is to be before the next.
        ScalarValue::TimestampNanosecond(Some(at), _) => Some(i128::from(*at).div_euclid(1_000) + i128::from(at.rem_euclid(1_000) != 0)),
        ScalarValue::Date32(Some(day)) => Some(i128::from(*day) * DAY_US),
        _ => None,
    }
}
