//! Phone numbers as ITU-T E.164 has them: a plus, the country code, the number; 15 digits at most.

use std::fmt;

/// A phone number. It shows its first and last digits only: a log is no place for it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// What was given is no phone number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// It has other characters than digits and separators.
    #[error("must be a phone number such as +8613812345678: digits, spaces and hyphens after an optional plus")]
    Characters,
    /// It has too many or too few digits.
    #[error("has too many or too few digits for a phone number of its country")]
    Length,
    /// It is no mobile number.
    #[error("is no mobile number of its country, and only those get codes")]
    Mobile,
    /// The country is not served.
    #[error("is of a country that is not served here")]
    Country,
}

/// Rules of countries whose mobile numbers are told by their digits: country code, digits after it, what those begin with.
const RULES: [(&str, usize, &[&str]); 6] = [
    ("86", 11, &["13", "14", "15", "16", "17", "18", "19"]),
    ("852", 8, &["4", "5", "6", "7", "8", "9"]),
    ("853", 8, &["6"]),
    ("886", 9, &["9"]),
    ("65", 8, &["8", "9"]),
    ("1", 10, &["2", "3", "4", "5", "6", "7", "8", "9"]),
];

impl Phone {
    /// Reads a number as people write it: `+86 138-1234-5678`, `0086…`, full-width digits; without a country code it is of `country`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, country: &str) -> Result<Self, PhoneError> {
        if text.len() > 100 {
            return Err(PhoneError::Length);
        }
        let mut digits = String::new();
        let mut plus = false;
        for c in text.trim().chars() {
            match plain(c) {
                '+' if digits.is_empty() && !plus => plus = true,
                c if c.is_ascii_digit() => digits.push(c),
                ' ' | '-' | '.' | '(' | ')' => {}
                _ => return Err(PhoneError::Characters),
            }
        }
        if digits.is_empty() {
            return Err(PhoneError::Characters);
        }
        let international = if plus { Some(digits.as_str()) } else { digits.strip_prefix("00") };
        let digits = international.map_or_else(|| format!("{country}{digits}"), str::to_owned);
        if digits.starts_with('0') || !(8..=15).contains(&digits.len()) {
            return Err(PhoneError::Length);
        }
        if let Some((code, length, starts)) = RULES.iter().find(|(code, ..)| digits.starts_with(code)) {
            let number = &digits[code.len()..];
            if number.len() != *length {
                return Err(PhoneError::Length);
            }
            if !starts.iter().any(|start| number.starts_with(start)) {
                return Err(PhoneError::Mobile);
            }
        }
        Ok(Self(format!("+{digits}")))
    }

    /// A number that was read before, out of a table.
    pub(super) fn kept(number: String) -> Self {
        Self(number)
    }

    /// Whether it is of one of these countries; every one is where there are none.
    pub fn is_of(&self, countries: &[String]) -> bool {
        countries.is_empty() || countries.iter().any(|code| self.0[1..].starts_with(code.as_str()))
    }

    /// The number, such as `+8613812345678`.
    pub fn number(&self) -> &str {
        &self.0
    }
}

/// Full-width characters, as Chinese keyboards give them, as their plain ones.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{2010}'..='\u{2015}' => '-',
        c => c,
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = self.0.len().saturating_sub(2);
        let (head, tail) = (self.0.get(..3).unwrap_or_default(), self.0.get(tail..).unwrap_or_default());
        write!(f, "{head}…{tail}")
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}
