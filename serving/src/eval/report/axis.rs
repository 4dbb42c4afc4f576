//! Axes: from numbers to places, and where the lines stand.

/// A straight scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis on which all values have room, between the places `from` and `to`. Numbers that are none are left out of account.
    pub(super) fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let room = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.1 };
        // Counts and rates that begin at 0 or just above it do not get an axis below it.
        let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        Self { low: (low - room).max(floor), high: high + room, from, to }
    }

    /// The same numbers at other places.
    pub(super) fn placed(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Both ends.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Round values to draw lines at, about `count` of them, with the digits they need.
    pub(super) fn ticks(&self, count: f64) -> (Vec<f64>, usize) {
        let raw = (self.high - self.low) / count;
        let exponent = raw.log10().floor();
        let power = 10f64.powf(exponent);
        let times = [1.0, 2.0, 2.5, 5.0].into_iter().find(|times| times * power >= raw).unwrap_or(10.0);
        let step = times * power;
        let half: f64 = if times == 2.5 { 1.0 } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few digits")]
        let digits = (half - exponent).clamp(0.0, 9.0) as usize;
        let mut ticks = Vec::new();
        let mut tick = (self.low / step).ceil() * step;
        while tick <= self.high + step * 1e-9 && ticks.len() < 50 {
            ticks.push(tick);
            tick += step;
        }
        (ticks, digits)
    }
}

/// A value as it is told: as many digits as are worth reading.
pub(crate) fn told(value: f64) -> String {
    if value.abs() >= 2.0 && value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// Text that may stand in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
