//! libpq's file of passwords, `host:port:database:user:password` a line:
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

/// The password of the first line that fits, and the line's number from 1. A
/// user that is not known is only fitted by `*`.
pub(super) fn find(
    text: &str,
    host: &str,
    port: u16,
    database: Option<&str>,
    user: Option<&str>,
) -> Option<(String, usize)> {
    let port = port.to_string();
    let wanted = [Some(host), Some(&port), database, user];
    let lines = text.lines().zip(1..);
    let mut lines = lines.filter(|(line, _)| !line.starts_with('#'));
    lines.find_map(|(line, number)| {
        let mut rest = line;
        for value in wanted {
            let (field, after) = field(rest)?;
            // An escaped star is a name, not the wildcard.
            let fits = rest.starts_with("*:") || value == Some(field.as_str());
            rest = fits.then_some(after)?;
        }
        let password = unescaped(rest.chars());
        (!password.is_empty()).then_some((password, number))
    })
}

/// The field up to the next colon, and what comes after it.
fn field(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((unescaped(text[..end].chars()), &text[end + 1..]))
}

/// Without the backslashes that stand before what would otherwise mean something.
fn unescaped(mut characters: std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Option<String> {
        find(text, "h", 5432, Some("d"), Some("u")).map(|(password, _)| password)
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let file = "# h:5432:d:u:comment\n\nh:1:d:u:port\nhh:*:*:*:host\nh:5432:e:u:database\n\
                    h:5432:d:v:user\nh:5432:d\nh:*:d:u:right\r\n*:*:*:*:any\n";
        assert_eq!(
            find(file, "h", 5432, Some("d"), Some("u")),
            Some(("right".to_owned(), 8))
        );
        assert_eq!(
            find(file, "other", 5432, None, None),
            Some(("any".to_owned(), 9))
        );
        assert_eq!(password("h:5432:d:u:\n"), None);
        assert_eq!(password(""), None);
    }

    #[test]
    fn a_backslash_escapes_colons_and_itself() {
        for (line, expected) in [
            (r"h:5432:d:u:a\:b\\c", r"a:b\c"),
            (r"h:5432:d:u:a:b", "a:b"),
            (r"h:5432:d:u:ab\", r"ab\"),
            (r"\h:5432:d:u:ab", "ab"),
        ] {
            assert_eq!(password(line).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(password(r"\*:5432:d:u:x"), None);
        let found = find(r"\:\:1:*:d\::\*:x", "::1", 1, Some("d:"), Some("*"));
        assert_eq!(found, Some(("x".to_owned(), 1)));
    }
}
