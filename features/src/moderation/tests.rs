//! What the built-in chain sees through, and what it leaves alone.

mod corpora;
mod disguises;

use super::*;

fn screen() -> Screen {
    Screen::built_in(Vec::new()).unwrap()
}

/// The categories of a text, each once.
fn categories(screen: &Screen, text: &str) -> Vec<Category> {
    let mut found: Vec<Category> = screen.look(text).into_iter().map(|finding| finding.category).collect();
    found.dedup();
    found
}

#[test]
fn words_are_seen_through_their_disguises() {
    let screen = screen();
    let disguised = [
        (Category::Insult, "fuck FUCK Fuuuck f.u.c.k f-u-c-k f u c k f, u, c, k f_u_c_k fu.ck f*ck f**k fucking motherfuckers"),
        (Category::Insult, "ｆｕｃｋ f\u{200b}u\u{200d}c\u{feff}k f\u{336}u\u{336}c\u{336}k ᶠᵘᶜᵏ 🅵🆄🅲🅺 fuсk ƒυск FU\u{ad}CK"),
        (Category::Insult, "sh1t sh!t $hit 5h1t s.h.1.t a$$hole @sshole b1tch"),
        (Category::Sexual, "p0rn d1ck pu$$y c0ck роrn"),
        (Category::Insult, "傻逼 傻 逼 傻.逼 傻~~逼 傻🌸逼 傻\u{200b}逼 傻\n逼 SB玩意 傻B 傻 b"),
        (Category::Sexual, "约炮 约 炮 約砲 约💕炮 约.p.炮 约P炮"),
        (Category::Contact, "加V 加 v 加V信 ➕v ＋Ｖ 威❤ 薇❤️ 薇信 V信 vx wx v x"),
        (Category::Hate, "n1gger nigg3r n.i.g.g.e.r"),
        (Category::Threat, "kill yourself KILL-YOURSELF killl yourself 去死吧 杀 了 你"),
        (Category::Gambling, "网上賭場"),
    ];
    for (category, texts) in disguised {
        for text in pieces(texts) {
            assert!(categories(&screen, &text).contains(&category), "{text:?} is not {}: {:?}", category.name(), screen.look(&text));
        }
    }
}

/// The texts of a line; those with blanks in them are written out here.
fn pieces(line: &str) -> Vec<String> {
    let spaced =
        ["f u c k", "f, u, c, k", "傻 逼", "傻\n逼", "傻 b", "约 炮", "加 v", "v x", "kill yourself", "killl yourself", "杀 了 你"];
    let mut rest = line.to_owned();
    let mut out = Vec::new();
    for text in spaced {
        if rest.contains(text) {
            rest = rest.replace(text, "");
            out.push(text.to_owned());
        }
    }
    out.extend(rest.split_whitespace().map(str::to_owned));
    out
}

#[test]
fn contact_details_are_known_by_their_form() {
    let screen = screen();
    let contacts = [
        "13800138000",
        "138-0013-8000",
        "138 0013 8000 call",
        "一三八零零一三八零零零",
        "壹叁捌零零壹叁捌零零零",
        "①③⑧⓪⓪①③⑧⓪⓪⓪",
        "1 3 8 0 0 1 3 8 0 0 0",
        "电话１３８００１３８０００哦",
        "138oo138ooo",
        "+86 138 0013 8000",
        "8613800138000",
        "+1 415 555 0132",
        "(415) 555-0132",
        "微信 abc12345",
        "微信号：hongniang",
        "薇 信 abc_123",
        "我的vx:abc123",
        "威信 id abc_12",
        "QQ 12345678",
        "qq12345678",
        "qq12345678",
        "扣扣1234567八九",
        "q:123456789",
        "telegram: @someone99",
        "see https://example.com/x",
        "www.example.org",
        "my page is example点com",
        "example dot com",
        "me@example.com",
        "t.me/someone",
    ];
    for text in contacts {
        assert_eq!(categories(&screen, text), [Category::Contact], "{text}: {:?}", screen.look(text));
    }
}

#[test]
fn innocent_texts_pass() {
    let screen = screen();
    let innocent = [
        "I grew up in Scunthorpe, studied the classics in Essex and passed the assessment with distinction.",
        "The pen is mine. It's hit after hit, and who're they, who reads this? An US citizen, as sure as can be.",
        "Cocktails in Hancock, peacocks in Dickens' garden, and Moby Dick; a shiitake risotto. Summa cum laude!",
        "Push it! dates_as_strings, as_set, rfc6455.hpp; let's analyse the therapist's title; the cockpit of a Titanic documentary.",
        "I'll be there at 18:30 on 2026-11-27, bring $13,800,138,000 or 3.14159; the score was 21-19, 15-21, 30-28.",
        "My flat is on the 15th floor, 13 15 17 19 21 are odd, 1 3 5 7 9 11 13 15 too; ISBN 978-7-111-54742-6.",
        "node.js and e.g. rust, i.e. version 1.95.0 at 10 a.m.; read a book: something wonderful",
        "He said: line by line, v for vendetta, and ig nobel prizes in 2019.",
        "我做爱心早餐给妈妈，他说这叫做爱情。小鸡巴士到站了，我们去找李口交代事情。",
        "她在公司很有威信，大家都信她。微信支付很方便，我用微信记账二十年了吗？",
        "今年一月二日，第三十一届运动会，一二三四五六七八九十，都一起数。",
        "我们约好了，炮声响起时看烟花。周末约朋友看电影，开房车去旅行。",
        "去年我买了2.5公斤苹果，花了138元；身高180，体重65，生日1998-12-31 9:00。",
        "傻瓜相机很好用，这个比喻不错，逼真的画。真二，逼着我笑。",
        "刷单词是我的爱好，这学期要承包养鸡场，港口交通很方便。",
        "Ich liebe Straßenbahnen; Приветствую всех, люблю собак и рок; καλημέρα σε όλους.",
        "加班到八点，买了V领毛衣，加value也行；Q弹的珍珠奶茶。",
    ];
    for text in innocent {
        assert_eq!(screen.look(text), [], "{text}");
    }
}

#[test]
fn a_list_of_ones_own_counts_and_excuses() {
    let own = WordList::parse("own.txt", "[other]\npineapple pizza\n菠萝披萨\nanchovy*\n[allow]\nasshole\n傻逼").unwrap();
    let allowed = WordList::allowing(&["fuckety fuck".to_owned(), "约炮".to_owned()]).unwrap();
    let screen = Screen::built_in(vec![own, allowed]).unwrap();
    for text in ["Pineapple Pizza!", "菠蘿披薩", "an anchovy-lover", "a.n.c.h.o.v.y"] {
        assert_eq!(categories(&screen, text), [Category::Other], "{text}: {:?}", screen.look(text));
    }
    for text in ["asshole", "傻逼", "约 炮", "fuckety fuck"] {
        assert_eq!(screen.look(text), [], "{text}");
    }
    assert_eq!(categories(&screen, "asshole, fuck"), [Category::Insult], "an excuse holds where it stands");
}

#[test]
fn what_is_found_names_the_entry_and_never_the_text() {
    let found = screen().look("you MoThErFuCkEr, 13800138000");
    let told: Vec<_> = found.iter().map(|f| (f.category, f.check, f.entry.as_str())).collect();
    assert_eq!(told, [(Category::Insult, "words", "*fuck*"), (Category::Contact, "contacts", "phone number")]);
    for category in Category::ALL {
        assert_eq!(Category::parse(category.name()), Some(category));
        assert!(!category.remedy().is_empty());
    }
}

/// Twenty times what a Moment may have, made of one part over and over. No time is measured, but an id that were read to the end after each of
/// fifty thousand names would take minutes.
#[test]
fn texts_made_to_be_slow_are_judged() {
    let screen = screen();
    for part in ["v-", "微信-", "fuck ", "f.", "1 3 ", "+1", "a*", "傻逼", "做爱心", "@a."] {
        let text = part.repeat(100_000 / part.len());
        assert!(screen.look(&text).len() <= 10, "each entry is told once: {part}");
    }
}
