//! The `Filter` of ListUsers: `name = "value"`, or `name ^= "value"` for a
//! value that begins so.

use super::list_users::User;

/// What a user must match to be listed.
#[derive(Debug, PartialEq)]
pub(super) struct Filter {
    name: String,
    prefix: bool,
    value: String,
}

/// The attributes the real one searches by; custom ones are not among them.
const SEARCHABLE: [&str; 10] = [
    "username",
    "email",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "cognito:user_status",
    "status",
    "sub",
];

impl Filter {
    /// None if it is not a filter the real one would take.
    pub(super) fn parse(text: &str) -> Option<Filter> {
        let text = text.trim();
        let (name, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => text.split_at(text.find(|c: char| c.is_whitespace() || "^=".contains(c))?),
        };
        if !SEARCHABLE.contains(&name) {
            return None;
        }
        let rest = rest.trim_start();
        let (prefix, rest) = match rest.strip_prefix("^=") {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix('=')?),
        };
        Some(Filter {
            name: name.to_owned(),
            prefix,
            value: unquote(rest.trim_start())?,
        })
    }

    pub(super) fn matches(&self, user: &User) -> bool {
        match self.name.as_str() {
            "username" => self.fits(&user.username),
            "status" => self.fits(if user.enabled { "Enabled" } else { "Disabled" }),
            // The only one that takes no account of case.
            "cognito:user_status" => {
                let upper = Filter {
                    value: self.value.to_uppercase(),
                    name: String::new(),
                    prefix: self.prefix,
                };
                upper.fits(&user.status.to_uppercase())
            }
            name => user
                .attributes
                .get(name)
                .is_some_and(|value| self.fits(value)),
        }
    }

    fn fits(&self, value: &str) -> bool {
        if self.prefix {
            value.starts_with(&self.value)
        } else {
            value == self.value
        }
    }
}

/// A quoted value with `\"` and `\\` in it, and nothing after it.
fn unquote(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => value.push(rest.next()?),
            other => value.push(other),
        }
    }
    rest.as_str().trim().is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, bool, String)> {
        Filter::parse(text).map(|filter| (filter.name, filter.prefix, filter.value))
    }

    #[test]
    fn reads_both_operators_with_and_without_spaces() {
        for text in [
            "email = \"a@b.c\"",
            "email=\"a@b.c\"",
            " \"email\"  =  \"a@b.c\" ",
        ] {
            assert_eq!(
                parsed(text),
                Some(("email".into(), false, "a@b.c".into())),
                "{text}"
            );
        }
        assert_eq!(
            parsed("preferred_username ^= \"an\""),
            Some(("preferred_username".into(), true, "an".into()))
        );
    }

    #[test]
    fn reads_escaped_quotes() {
        assert_eq!(
            parsed(r#"name = "a \"b\" \\ c""#),
            Some(("name".into(), false, r#"a "b" \ c"#.into()))
        );
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "email",
            "email = a",
            "email = \"a",
            "email = \"a\" b",
            "email > \"a\"",
            "custom:team = \"a\"",
            "= \"a\"",
            "\"",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
