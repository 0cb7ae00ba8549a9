//! Rights: what capturing needs, and giving up everything else once it has begun.
//!
//! Root becomes another user; capabilities go; then the process is confined to the files that it still needs, as far as
//! the kernel offers that.

use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// What to do where the right to capture is missing.
pub fn remedy(command: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("lynccap"));
    let program = program.display();
    if cfg!(target_os = "linux") {
        format!(
            "run it as root (sudo {program} {command} …), or grant the right to the program, once: \
             sudo setcap cap_net_raw,cap_net_admin=eip {program}"
        )
    } else if cfg!(windows) {
        "run it as administrator, and install Npcap".to_owned()
    } else {
        format!("run it as root: sudo {program} {command} …")
    }
}

/// What the program needs files for, once it captures.
#[derive(Debug, Default)]
pub struct Needs {
    /// Folders that files are read in.
    pub read: Vec<PathBuf>,
    /// Folders that files are made and removed in.
    pub write: Vec<PathBuf>,
}

#[cfg(unix)]
mod unix {
    use super::{Failure, Path};
    use privdrop::PrivDrop;
    use privdrop::reexports::nix::unistd::{Uid, User, geteuid};

    /// Whom the program goes on as.
    #[derive(Debug)]
    pub struct Plan {
        /// `None` where it is not root, or stays it.
        user: Option<User>,
        /// Files that it makes as root are the user's.
        gives_files: bool,
        stays_root: bool,
    }

    impl Plan {
        /// The user that is asked for, or the one behind sudo, or `nobody`.
        ///
        /// # Errors
        /// Where there is no such user, or becoming another one is asked for and not possible.
        pub fn new(asked: Option<&str>) -> Result<Self, Failure> {
            let failed = |why: String| Failure::Usage(why);
            let by_name = |name: &str| User::from_name(name).ok().flatten();
            if !geteuid().is_root() {
                return match asked {
                    Some(name) if by_name(name).is_none_or(|user| user.uid != geteuid()) => {
                        Err(failed(format!("--user {name}: only root can go on as another user")))
                    }
                    _ => Ok(Self { user: None, gives_files: false, stays_root: false }),
                };
            }
            if let Some(name) = asked {
                let user = by_name(name).ok_or_else(|| failed(format!("--user {name}: there is no such user")))?;
                let stays_root = user.uid.is_root();
                return Ok(Self { user: (!stays_root).then_some(user), gives_files: true, stays_root });
            }
            let behind = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).map(Uid::from_raw);
            let behind = behind.filter(|uid| !uid.is_root()).and_then(|uid| User::from_uid(uid).ok().flatten());
            let gives_files = behind.is_some();
            let user = behind.or_else(|| by_name("nobody"));
            let user =
                user.ok_or_else(|| failed("there is no user `nobody` to go on as; give --user NAME".to_owned()))?;
            Ok(Self { user: Some(user), gives_files, stays_root: false })
        }

        /// Gives a file that was made as root to the user it goes on as.
        pub fn give(&self, path: &Path) {
            if let Some(user) = self.user.as_ref().filter(|_| self.gives_files) {
                let _ = std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()));
            }
        }

        /// Whom it goes on as, where that is another user.
        pub fn user(&self) -> Option<&str> {
            self.user.as_ref().map(|user| user.name.as_str())
        }

        /// Gives the rights up; says what was done.
        ///
        /// # Errors
        /// Where the system refuses: going on with all rights is not what was asked for.
        pub fn apply(&self) -> Result<String, Failure> {
            if let Some(user) = &self.user {
                let dropped = PrivDrop::default().user(&user.name).apply();
                dropped.map_err(|error| Failure::Usage(format!("going on as {}: {error}", user.name)))?;
            }
            if self.stays_root {
                return Ok("stays root, as asked".to_owned());
            }
            clear_capabilities()?;
            let user = self.user.as_ref().map_or_else(|| "the same user".to_owned(), |user| user.name.clone());
            Ok(format!("goes on as {user}, without capabilities"))
        }
    }

    #[cfg(target_os = "linux")]
    fn clear_capabilities() -> Result<(), Failure> {
        use caps::CapSet;
        // A kernel without ambient capabilities has none to clear.
        let _ = caps::clear(None, CapSet::Ambient);
        [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted].into_iter().try_for_each(|set| {
            caps::clear(None, set).map_err(|error| Failure::Usage(format!("giving up capabilities: {error}")))
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn clear_capabilities() -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(not(unix))]
mod unix {
    use super::{Failure, Path};

    /// Whom the program goes on as: nobody else, on this system.
    #[derive(Debug)]
    pub struct Plan;

    impl Plan {
        /// The same user.
        ///
        /// # Errors
        /// Where another one is asked for.
        pub fn new(asked: Option<&str>) -> Result<Self, Failure> {
            match asked {
                Some(_) => Err(Failure::Usage("--user is not for this system".to_owned())),
                None => Ok(Self),
            }
        }

        /// Files belong to whoever made them.
        pub fn give(&self, _: &Path) {}

        /// Nobody else.
        pub fn user(&self) -> Option<&str> {
            None
        }

        /// Nothing to give up.
        ///
        /// # Errors
        /// None.
        pub fn apply(&self) -> Result<String, Failure> {
            Ok("goes on as the same user".to_owned())
        }
    }
}

pub use unix::Plan;

/// Confines the program to what it needs, for good; says how far the kernel does that.
#[cfg(target_os = "linux")]
pub fn confine(needs: &Needs) -> String {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
        path_beneath_rules,
    };
    let abi = ABI::V5;
    let confined = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| {
            ruleset
                .add_rules(path_beneath_rules(&needs.read, AccessFs::from_read(abi)))?
                .add_rules(path_beneath_rules(&needs.write, AccessFs::from_all(abi)))?
                .restrict_self()
        });
    match confined.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => {
            "confined by landlock: no files but those it writes, no connections".to_owned()
        }
        Ok(RulesetStatus::PartiallyEnforced) => "confined by landlock, as far as this kernel has it".to_owned(),
        Ok(RulesetStatus::NotEnforced) => "not confined: this kernel has no landlock".to_owned(),
        Err(error) => format!("not confined: {error}"),
    }
}

/// Confines the program to what it needs, for good; says how far the kernel does that.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &Needs) -> String {
    "not confined: this system has no landlock".to_owned()
}
