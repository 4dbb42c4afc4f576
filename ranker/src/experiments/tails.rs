//! Tails of the chi-square and the normal distribution.

/// `ln Γ(x)` for `x > 0` by Lanczos' series (1964) with g = 7 and nine coefficients; good to about 15 digits.
fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const REST: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = FIRST;
    let mut at = x;
    for coefficient in REST {
        at += 1.0;
        sum += coefficient / at;
    }
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

const STEPS: u32 = 500;
const SMALL: f64 = 1e-300;

/// The upper regularised incomplete gamma function `Q(a, x)`, 0 to 1: the series below `a + 1`, Lentz's continued fraction above
/// (Press et al., "Numerical Recipes", section 6.2).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        for _ in 0..STEPS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-16 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / SMALL, 1.0 / b);
    let mut fraction = d;
    for i in 1..STEPS {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        let away = |value: f64| if value.abs() < SMALL { SMALL } else { value };
        d = 1.0 / away(an * d + b);
        c = away(b + an / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// The chance that a chi-square variable of so many degrees of freedom (1 or more) exceeds `x`.
pub fn chi_square_tail(x: f64, degrees: u32) -> f64 {
    upper_gamma(f64::from(degrees.max(1)) / 2.0, x / 2.0)
}

/// The chance that a standard normal variable is farther from 0 than `z`, on either side: the two-sided p-value.
pub fn normal_tails(z: f64) -> f64 {
    chi_square_tail(z * z, 1)
}

/// The distance from 0 that a standard normal variable exceeds, on either side, with chance `alpha` (above 0, below 1): 1.96 for 0.05.
pub fn normal_reach(alpha: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if normal_tails(middle) > alpha { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}
