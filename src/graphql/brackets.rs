//! Checks of a document's text before it is parsed: how deeply it nests brackets, as the parser recurses, and whether it
//! holds an integer that the parser rounds.

use async_graphql::Pos;

use crate::edge::is_integer_out_of_range;

/// The deepest nesting of brackets, strings and comments left out.
pub(super) fn bracket_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text;
    // Where one block string has no end, none after it has: looking again would take quadratic time.
    let mut blocks_end = true;
    while let Some(c) = rest.chars().next() {
        let step = match c {
            '"' => string_length(rest, &mut blocks_end),
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = &rest[step..];
    }
    deepest
}

/// The position of the first integer beyond 64 bits; strings, comments and names are left out.
pub(super) fn find_large_integer(text: &str) -> Option<Pos> {
    let mut rest = text;
    let mut blocks_end = true;
    while let Some(c) = rest.chars().next() {
        let length_while = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let step = match c {
            '"' => string_length(rest, &mut blocks_end),
            '#' => length_while(|c| c != '\n' && c != '\r'),
            'A'..='Z' | 'a'..='z' | '_' => length_while(|c| c.is_ascii_alphanumeric() || c == '_'),
            '-' | '0'..='9' => {
                let length = length_while(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
                if is_integer_out_of_range(&rest[..length]) {
                    return Some(position(&text[..text.len() - rest.len()]));
                }
                length
            }
            _ => c.len_utf8(),
        };
        rest = &rest[step..];
    }
    None
}

/// The position behind this text, both counted from 1.
fn position(before: &str) -> Pos {
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Pos { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

/// Bytes of the string that `text` starts with, quotes counted.
fn string_length(text: &str, blocks_end: &mut bool) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        if let Some(end) = blocks_end.then(|| block_end(block)).flatten() {
            return end + 6;
        }
        // The parser takes a block string without an end for an empty string, and reads on after that.
        *blocks_end = false;
        return 2;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            '\n' | '\r' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where the quotes stand that end a block string; escaped ones do not.
fn block_end(block: &str) -> Option<usize> {
    let quotes = block.match_indices("\"\"\"").map(|(at, _)| at);
    let mut quotes = quotes.filter(|at| !block[..*at].ends_with('\\'));
    quotes.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        assert_eq!(bracket_depth("{ a(x: \"[[[[ \\\" [[\") # {{{{\n }"), 2);
        assert_eq!(bracket_depth("\"\"\"{{{{\"\"\" {"), 1);
        assert_eq!(bracket_depth("\"{{{"), 0);
        assert_eq!(bracket_depth("\"\"\" \\\"\"\" \"\"\" {{{"), 3);
        assert_eq!(bracket_depth("\"\"\"a\" {{{"), 3);
    }

    #[test]
    fn large_integer_has_its_position() {
        let found = |text| find_large_integer(text).map(|at| (at.line, at.column));
        assert_eq!(found("{ f(n: 18446744073709551616) }"), Some((1, 8)));
        assert_eq!(found("{\n  f(n: [1,-9223372036854775809]) }"), Some((2, 11)));
        assert_eq!(found("{ f(n: 18446744073709551615, m: -9223372036854775808) }"), None);
        assert_eq!(found("{ f(n: 1e30, x: 99999999999999999999.5) }"), None);
        assert_eq!(found("{ a18446744073709551616 # 18446744073709551616\n f(n: \"18446744073709551616\") }"), None);
        assert_eq!(found("\"\"\" 18446744073709551616 \"\"\""), None);
    }
}
