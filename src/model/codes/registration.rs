//! Events of `text/registration-event` bodies: why the server ends a registration ([MS-SIPREGE]).

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const fn word(name: &'static str, meaning: &'static str, fix: &'static str) -> Code {
    Code::new(CodeKind::Registration, 0, name, meaning).fix(fix)
}

/// By name.
#[rustfmt::skip]
pub static TABLE: [Code; 3] = [
    word("deactivated", "the user was moved to another pool", "Sign in again; check that the move has ended and that the new pool is in DNS"),
    word("rejected", "the user is disabled", "Enable the account again if it ought to be"),
    word("unregistered", "the registration is over: logged out, or logged on elsewhere", "Nothing, if the user did so; else look for the other endpoint"),
];

/// The event of that name, in any case.
pub fn of(name: &str) -> Option<Code> {
    TABLE.iter().find(|code| code.name.eq_ignore_ascii_case(name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(of("Deactivated").unwrap().meaning, "the user was moved to another pool");
        assert_eq!(of("active"), None);
    }
}
