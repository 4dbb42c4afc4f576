//! Contact details by their form: phone numbers, ids of messengers, addresses of pages and mailboxes.
//!
//! Digits are also Chinese (`一三八`, `壹叁捌`), full width or circled, and signs may lie between them; the names of messengers may be disguised.
//! A number alone is nobody's id: dates, prices and scores stay what they are.

use super::han::{HanWords, Row};
use super::list::ListError;
use super::{Category, Check, Finding};

/// Names of messengers with what must follow before an id counts.
const MESSENGERS: [(&str, Sure); 40] = [
    ("微信", Sure::Name),
    ("薇信", Sure::Name),
    ("威信", Sure::Name),
    ("维信", Sure::Name),
    ("徽信", Sure::Name),
    ("微❤", Sure::Name),
    ("威❤", Sure::Name),
    ("薇❤", Sure::Name),
    ("v❤", Sure::Name),
    ("v信", Sure::Name),
    ("vx", Sure::Name),
    ("wx", Sure::Name),
    ("wechat", Sure::Name),
    ("weixin", Sure::Name),
    ("微信号", Sure::Name),
    ("加v", Sure::Name),
    ("加薇", Sure::Name),
    ("qq", Sure::Name),
    ("扣扣", Sure::Name),
    ("企鹅号", Sure::Name),
    ("q群", Sure::Name),
    ("qq群", Sure::Name),
    ("扣群", Sure::Name),
    ("支付宝", Sure::Name),
    ("电报", Sure::Sign),
    ("telegram", Sure::Sign),
    ("whatsapp", Sure::Sign),
    ("snapchat", Sure::Sign),
    ("instagram", Sure::Sign),
    ("line", Sure::Sign),
    ("kik", Sure::Sign),
    ("insta", Sure::Sign),
    ("snap", Sure::Sign),
    ("tg", Sure::Sign),
    ("ig", Sure::Sign),
    ("抖音号", Sure::Sign),
    ("小红书号", Sure::Sign),
    ("v", Sure::Sign),
    ("q", Sure::Sign),
    ("加q", Sure::Name),
];

/// What makes an id of what follows a messenger's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// The name: nobody says it before a word with digits otherwise.
    Name,
    /// A sign such as `:` or `@` as well: the name is also a word.
    Sign,
}

/// Ends of names of hosts that people send each other.
const TOP_LEVEL: [&str; 20] = [
    "com", "cn", "net", "org", "xyz", "top", "cc", "vip", "info", "club", "shop", "site", "online", "link", "app", "ru", "icu", "wang",
    "work", "ltd",
];
/// Hosts whose ends are also words.
const SHORT_HOSTS: [&str; 6] = ["t.me/", "wa.me/", "bit.ly/", "t.cn/", "u.nu/", "youtu.be/"];

/// A check that finds contact details by their form.
#[derive(Debug)]
pub struct Contacts {
    messengers: HanWords,
}

impl Contacts {
    /// The check.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn new() -> Result<Self, ListError> {
        Ok(Self { messengers: HanWords::new(MESSENGERS.iter().map(|(name, _)| *name).enumerate())? })
    }

    fn has_id(&self, normal: &str) -> bool {
        let rows = [Some(Row::new(normal, false)), Row::has_signs(normal).then(|| Row::new(normal, true))];
        rows.into_iter()
            .flatten()
            .any(|row| self.messengers.find(&row).iter().any(|hit| is_id(&normal[row.end_in_text(hit.to)..], MESSENGERS[hit.entry].1)))
    }
}

impl Check for Contacts {
    fn look(&self, normal: &str, found: &mut Vec<Finding>) {
        let forms: [(&str, bool); 4] = [
            ("phone number", has_phone(normal)),
            ("id of a messenger", self.has_id(normal)),
            ("address of a page", has_address(normal)),
            ("mail address", has_mail(normal)),
        ];
        let there = forms.into_iter().filter(|(_, there)| *there);
        found.extend(there.map(|(form, _)| Finding { category: Category::Contact, check: "contacts", entry: form.to_owned() }));
    }
}

/// The digit that a character stands for.
fn digit(c: char) -> Option<char> {
    Some(match c {
        '0'..='9' => c,
        '零' | '〇' => '0',
        '一' | '壹' | '幺' => '1',
        '二' | '贰' => '2',
        '三' | '叁' => '3',
        '四' | '肆' => '4',
        '五' | '伍' => '5',
        '六' | '陆' => '6',
        '七' | '柒' => '7',
        '八' | '捌' => '8',
        '九' | '玖' => '9',
        _ => return None,
    })
}

/// Digits that belong together, in groups that signs or blanks lie between.
#[derive(Debug, Default)]
struct Digits {
    groups: Vec<String>,
    /// Whether a `+` lies before them.
    plus: bool,
}

/// Signs that may lie between two digits of a number at most.
const APART: usize = 3;

fn numbers(normal: &str) -> Vec<Digits> {
    let chars: Vec<char> = normal.chars().collect();
    let (mut out, mut open, mut apart): (Vec<Digits>, Digits, usize) = (Vec::new(), Digits::default(), usize::MAX);
    for (i, c) in chars.iter().enumerate() {
        // An `o` after a digit is a nought, unless a word begins with it.
        let like_digit = |c: char| digit(c).is_some() || c == 'o';
        let after_digit = i > 0 && like_digit(chars[i - 1]);
        let before_word = chars.get(i + 1).is_some_and(|next| next.is_ascii_lowercase() && *next != 'o');
        let nought = (*c == 'o' && after_digit && !before_word).then_some('0');
        if let Some(digit) = digit(*c).or(nought) {
            if let Some(group) = open.groups.last_mut().filter(|_| apart == 0) {
                group.push(digit);
            } else {
                if open.groups.is_empty() {
                    open.plus = i > 0 && chars[i - 1] == '+' && !(i > 1 && chars[i - 2].is_alphanumeric());
                }
                open.groups.push(digit.to_string());
            }
            apart = 0;
            continue;
        }
        apart = apart.saturating_add(1);
        // A comma groups the digits of an amount, a colon those of a time; a letter or a word ends a number.
        if apart > APART || c.is_alphanumeric() || matches!(*c, ',' | ';' | ':' | '。' | '、' | '\n' | '!' | '?') {
            if !open.groups.is_empty() {
                out.push(std::mem::take(&mut open));
            }
            apart = usize::MAX;
        }
    }
    if !open.groups.is_empty() {
        out.push(open);
    }
    out
}

/// A mobile number of the mainland: eleven digits that begin with 13 to 19.
fn is_mobile(digits: &str) -> bool {
    let digits = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86")).filter(|rest| rest.len() == 11).unwrap_or(digits);
    digits.len() == 11 && digits.starts_with('1') && matches!(digits.as_bytes()[1], b'3'..=b'9')
}

fn has_phone(normal: &str) -> bool {
    /// Groups that a number is written in, unless every digit is one.
    const GROUPS: usize = 5;
    numbers(normal).iter().any(|number| {
        let lengths: Vec<usize> = number.groups.iter().map(String::len).collect();
        let all: usize = lengths.iter().sum();
        if number.plus && (8..=15).contains(&all) {
            return true;
        }
        // As in North America: 555 123 4567.
        if lengths == [3, 3, 4] && number.groups[0].starts_with(|c: char| c > '1') {
            return true;
        }
        (0..number.groups.len()).any(|from| {
            let mut digits = String::new();
            for (count, group) in number.groups[from..].iter().enumerate() {
                digits.push_str(group);
                let single = digits.len() == count + 1;
                if digits.len() > 15 || (count >= GROUPS && !single) {
                    return false;
                }
                if is_mobile(&digits) {
                    return true;
                }
            }
            false
        })
    })
}

/// Whether what follows the name of a messenger is an id.
fn is_id(after: &str, sure: Sure) -> bool {
    let mut rest = after.trim_start();
    let mut sign = false;
    // `号`, `id`, `是`, `:` and the like lead to the id.
    while let Some(next) =
        ["号码", "账号", "号", "id", "是", "为", ":", "=", "@", "-", "→", "("].iter().find_map(|lead| rest.strip_prefix(lead))
    {
        rest = next.trim_start();
        sign = true;
    }
    // No id is longer; a text may be one long run after each of many names.
    let id: String = rest
        .chars()
        .take(64)
        .map(|c| digit(c).unwrap_or(c))
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .collect();
    let id = id.trim_matches(['-', '.']);
    let digits = id.chars().filter(char::is_ascii_digit).count();
    let named = id.len() >= 5 && digits >= 1 && id.len() > digits;
    let numbered = digits >= 5 && id.len() == digits;
    let spelled = sign && id.len() >= 6 && sure == Sure::Name && id.starts_with(|c: char| c.is_ascii_lowercase());
    match sure {
        Sure::Name => named || numbered || spelled,
        Sure::Sign => sign && (named || numbered),
    }
}

fn has_address(normal: &str) -> bool {
    if ["http://", "https://", "www."].iter().any(|start| normal.contains(start)) || SHORT_HOSTS.iter().any(|host| normal.contains(host)) {
        return true;
    }
    let spelled = ["[.]", "(.)", " dot ", "(dot)", "[dot]", "点"].iter().any(|dot| normal.contains(dot));
    let plain = if spelled {
        let dotted = ["[.]", "(.)", " dot ", "(dot)", "[dot]", "点"].iter().fold(normal.to_owned(), |text, dot| text.replace(dot, "."));
        std::borrow::Cow::Owned(dotted)
    } else {
        std::borrow::Cow::Borrowed(normal)
    };
    plain.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '@'))).any(is_host)
}

/// `name.com`, `a.b.cn`: at least two letters before a known end.
fn is_host(token: &str) -> bool {
    let Some((name, end)) = token.trim_matches('.').rsplit_once('.') else { return false };
    let name = name.rsplit('@').next().unwrap_or(name);
    TOP_LEVEL.contains(&end) && name.len() >= 2 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains("..")
}

fn has_mail(normal: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '@');
    normal.split(|c: char| !part(c)).any(|token| {
        let Some((name, host)) = token.trim_matches('.').split_once('@') else { return false };
        name.len() >= 2
            && host
                .rsplit_once('.')
                .is_some_and(|(host, end)| !host.is_empty() && end.len() >= 2 && end.bytes().all(|b| b.is_ascii_alphabetic()))
    })
}
