//! Passwords of users, as a file of them has a line each.
//!
//! In: a line. Out: whose password it is, and its hash. The password itself is not kept.

use crate::crypto::ntlm::NtHash;
use crate::model::tls::KeySource;

/// For whom a password is.
#[derive(Debug)]
enum Holder {
    /// `*`: whoever.
    Anybody,
    /// `DOMAIN\user`.
    InDomain(Box<str>, Box<str>),
    /// `user@domain`.
    Principal(Box<str>, Box<str>),
}

/// A user's password.
#[derive(Debug)]
pub struct Account {
    holder: Holder,
    /// Hash of the password.
    pub hash: NtHash,
    /// Where it stands.
    pub source: KeySource,
}

impl Account {
    /// Reads a line `DOMAIN\user:password`, `user@domain:password` or `*:password`; the password may be
    /// `hash:` and 32 hexadecimal digits. Blanks count.
    ///
    /// # Errors
    /// Says what is expected, never what stands there.
    pub fn parse(line: &str, source: KeySource) -> Result<Self, &'static str> {
        let (name, password) = line.split_once(':').ok_or("expected DOMAIN\\user:password")?;
        let holder = Self::holder(name.trim())?;
        let hash = match password.split_at_checked("hash:".len()) {
            Some((prefix, digits)) if prefix.eq_ignore_ascii_case("hash:") => {
                NtHash::from_hex(digits.trim_end()).ok_or("expected 32 hexadecimal digits behind hash:")?
            }
            _ => NtHash::of_password(password),
        };
        Ok(Self { holder, hash, source })
    }

    fn holder(name: &str) -> Result<Holder, &'static str> {
        if name == "*" {
            return Ok(Holder::Anybody);
        }
        let in_domain = name.split_once('\\').map(|(domain, user)| Holder::InDomain(domain.into(), user.into()));
        let principal = || name.rsplit_once('@').map(|(user, domain)| Holder::Principal(user.into(), domain.into()));
        match in_domain.or_else(principal) {
            Some(Holder::InDomain(_, user) | Holder::Principal(user, _)) if user.is_empty() => {
                Err("expected a user name before the colon")
            }
            Some(holder) => Ok(holder),
            None => Err("expected DOMAIN\\user, user@domain or * before the colon"),
        }
    }

    /// Whether it may be the password of a user as a client names him. The domain behind `@` need not be
    /// the one that the client names, which is often its NetBIOS name.
    pub fn is_of(&self, domain: &str, user: &str) -> bool {
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        match &self.holder {
            Holder::Anybody => true,
            Holder::InDomain(own_domain, own_user) => same(own_domain, domain) && same(own_user, user),
            Holder::Principal(own_user, own_domain) => {
                same(own_user, user) || domain.is_empty() && same(&format!("{own_user}@{own_domain}"), user)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, domain: &str, user: &str, expected: bool) {
        let account = Account::parse(line, "line 1 of it".into()).unwrap();
        assert_eq!(account.is_of(domain, user), expected, "{domain}\\{user}");
    }

    #[test]
    fn whose_password_it_is() {
        check("DOM\\ann:secret", "dom", "Ann", true);
        check("DOM\\ann:secret", "OTHER", "ann", false);
        check("DOM\\ann:secret", "DOM", "bob", false);
        check("ann@ex.test:secret", "DOM", "ann", true);
        check("ann@ex.test:secret", "", "ANN@ex.test", true);
        check("ann@ex.test:secret", "", "ann@other.test", false);
        check("*:secret", "DOM", "bob", true);
        check("*:hash:a4f49c406510bdcab6824ee7c30fd852", "DOM", "bob", true);
    }

    #[test]
    fn a_bad_line_is_told_without_its_content() {
        for bad in ["", "secret", "ann:secret", "\\:secret", "@ex.test:secret", "*:hash:secret", "*:hash:"] {
            let error = Account::parse(bad, "it".into()).unwrap_err();
            assert!(error.starts_with("expected") && !error.contains("secret"), "{error}");
        }
        let account = Account::parse("*:hunter2", "it".into()).unwrap();
        assert!(!format!("{account:?}").contains("hunter2"));
    }
}
