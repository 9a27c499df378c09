//! Reads the two forwarding headers, nearest hop first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderValue;

/// The peer that one hop reported: an address, or nothing usable (`unknown`, an obfuscated name, or
/// malformed text).
pub(crate) type Hop = Option<IpAddr>;

/// The hops of `X-Forwarded-For` lines, the last one first.
pub(crate) fn x_forwarded_for<'a>(
    lines: impl DoubleEndedIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Hop> {
    lines.rev().flat_map(|line| {
        // Split as bytes: invalid text that a client put in front must not hide what the proxy
        // appended.
        let hops = line.as_bytes().rsplit(|byte| *byte == b',');
        hops.map(|hop| std::str::from_utf8(hop).ok().and_then(node))
    })
}

/// The hops of `Forwarded` lines (RFC 7239), the last one first. A malformed line is one unusable
/// hop: its quoting cannot be trusted to show where the last element begins.
pub(crate) fn forwarded<'a>(
    lines: impl DoubleEndedIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Hop> {
    lines.rev().flat_map(|line| {
        let hops = line
            .to_str()
            .ok()
            .and_then(elements)
            .unwrap_or_else(|| vec![None]);
        hops.into_iter().rev()
    })
}

/// The `for` parameter of each element of one line.
fn elements(line: &str) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    let mut rest = line;
    loop {
        let (hop, separator, tail) = element(rest)?;
        hops.push(hop);
        rest = tail;
        if !separator {
            return Some(hops);
        }
    }
}

/// Parses one element: its `for`, whether a comma follows, and the text after that.
fn element(mut rest: &str) -> Option<(Hop, bool, &str)> {
    let mut hop: Option<Hop> = None;
    loop {
        let (name, tail) = rest.split_once('=')?;
        let name = trim(name);
        if !is_token(name) {
            return None;
        }
        let (value, tail) = value(tail)?;
        if name.eq_ignore_ascii_case("for") && hop.replace(node(&value)).is_some() {
            return None;
        }
        let tail = tail.trim_start_matches([' ', '\t']);
        match tail.chars().next() {
            Some(';') => rest = &tail[1..],
            Some(',') => return Some((hop?, true, &tail[1..])),
            Some(_) => return None,
            None => return Some((hop?, false, "")),
        }
    }
}

/// Parses a token or a quoted string; also returns the text after it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return is_token(token).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

/// RFC 9110's token, plus `:`, `[` and `]`: many proxies forget to quote an address with a port.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

/// Parses an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. Returns the canonical form.
fn node(text: &str) -> Hop {
    let text = trim(text);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        let port_ok = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().ok()?;
        return port_ok.then(|| IpAddr::V6(address).to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

/// One to five digits, at most 65535.
pub(crate) fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok()
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_bytes(text.as_bytes()).expect("a header value")
    }

    fn hops_of(lines: &[&str], forwarded_header: bool) -> Vec<String> {
        let lines: Vec<_> = lines.iter().map(|line| header(line)).collect();
        let show = |hop: Hop| hop.map_or_else(|| "-".to_owned(), |address| address.to_string());
        if forwarded_header {
            forwarded(lines.iter()).map(show).collect()
        } else {
            x_forwarded_for(lines.iter()).map(show).collect()
        }
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_over_all_its_lines() {
        let hops = hops_of(
            &[
                "192.0.2.1, 192.0.2.2:443",
                "[2001:db8::1]:80,2001:db8::2 ,::ffff:10.0.0.1",
            ],
            false,
        );
        assert_eq!(
            hops,
            [
                "10.0.0.1",
                "2001:db8::2",
                "2001:db8::1",
                "192.0.2.2",
                "192.0.2.1"
            ]
        );
    }

    #[test]
    fn text_that_is_not_an_address_is_an_unusable_hop() {
        let hops = hops_of(
            &["\u{e9}, host, 1.2.3, 1.2.3.4:, 1.2.3.4:99999, [1.2.3.4], , ::1]:80, unknown"],
            false,
        );
        assert_eq!(hops, ["-"; 9]);
    }

    #[test]
    fn forwarded_elements_are_read_from_the_right_over_all_lines() {
        let hops = hops_of(
            &[
                "for=192.0.2.1, FOR=\"192.0.2.2:47011\";proto=http;by=_me",
                "proto=https;for=\"[2001:db8::1]:80\" , For=unknown,for=_hidden, host=\"a, b\";for=\"192.0.2.\\3\"",
            ],
            true,
        );
        assert_eq!(
            hops,
            [
                "192.0.2.3",
                "-",
                "-",
                "2001:db8::1",
                "192.0.2.2",
                "192.0.2.1"
            ]
        );
    }

    #[test]
    fn a_malformed_forwarded_line_is_one_unusable_hop() {
        let malformed = [
            "",
            "for",
            "for=",
            "for=\"192.0.2.1",
            "for=192.0.2.1;",
            "for=192.0.2.1,",
            "proto=http",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1\"x",
            "=192.0.2.1",
            "for=1 2",
            "for=8.8.8.8;x=\", for=192.0.2.1",
            "for=8.8.8.8;x=\", for=\"[2001:db8::1]\"",
        ];
        for line in malformed {
            assert_eq!(hops_of(&[line], true), ["-"], "{line:?}");
            assert_eq!(
                hops_of(&[line, "for=192.0.2.9"], true),
                ["192.0.2.9", "-"],
                "{line:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_a_client_sends_never_hides_what_a_proxy_appends(sent in "[ -~]{0,60}") {
            let line = format!("{sent}, 192.0.2.1");
            let last = hops_of(&[&line], false).swap_remove(0);
            prop_assert_eq!(last, "192.0.2.1");
            let line = format!("{sent}, for=192.0.2.1");
            let last = hops_of(&[&line], true).swap_remove(0);
            prop_assert!(last == "192.0.2.1" || last == "-");
        }
    }
}
