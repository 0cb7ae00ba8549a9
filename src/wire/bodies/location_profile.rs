//! The dial plan (`application/ms-location-profile-definition+xml`).

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::short;
use crate::wire::bodies::words::text;
use crate::wire::xml::Element;

/// A dial plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationProfile {
    /// Its name.
    pub name: Option<String>,
    /// Number of rules that normalise numbers.
    pub rules: usize,
    /// What is dialled before a number outside.
    pub external_access_prefix: Option<String>,
}

/// Reads a dial plan.
pub fn read(root: Element<'_>) -> Option<Body> {
    let profile = root.find("LocationProfileDescription").unwrap_or(root);
    let is_profile = profile.is("LocationProfileDescription") || profile.find("Rules").is_some();
    let name = profile.children("Name").map(Element::text).find(|name| !name.is_empty());
    let name = name.or_else(|| profile.attribute("Name"));
    is_profile.then(|| {
        Body::LocationProfile(LocationProfile {
            name: name.map(str::to_owned),
            rules: profile.find_all("Rule").count(),
            external_access_prefix: text(profile, "ExternalAccessPrefix"),
        })
    })
}

impl View for LocationProfile {
    fn kind(&self) -> &'static str {
        "location-profile"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("dial_plan", self.name.as_ref());
        facts.count("rules", self.rules);
        facts.put("external_access_prefix", self.external_access_prefix.as_ref());
    }

    fn sentence(&self) -> String {
        let name = self.name.as_deref().map(|name| format!(" {}", short(name))).unwrap_or_default();
        let prefix = self
            .external_access_prefix
            .as_deref()
            .map(|prefix| format!("; {} is dialled for a line out", short(prefix)));
        let rules = counted(self.rules, "rule", "rules");
        format!("The user's dial plan{name} has {rules} for numbers{}.", prefix.unwrap_or_default())
    }
}
