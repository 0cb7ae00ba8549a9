//! What the elements, attributes and values of Lync's bodies mean, in few words.
//!
//! Names are compared without regard to case. The most telling word wins: that of a value before that of a name.

use crate::wire::xml::Element;

/// Elements and attributes whose text opens something, and is therefore never shown.
const SECRETS: [&str; 15] = [
    "password",
    "username",
    "binarysecret",
    "signaturevalue",
    "ciphervalue",
    "nonce",
    "pin",
    "passcode",
    "leader-passcode",
    "participant-passcode",
    "passwd",
    "secret",
    "access_token",
    "conference-encrypted-info",
    "encrypted-conference-info",
];

/// Whether the text of an element or attribute of that name is a secret.
pub fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Words for an availability number ([MS-PRES], class boundaries); `None` for a number below all classes.
pub fn availability(number: u32) -> Option<&'static str> {
    Some(match number {
        0..3000 => return None,
        3000..4500 => "available",
        4500..6000 => "available, idle",
        6000..7500 => "busy",
        7500..9000 => "busy, idle",
        9000..12_000 => "do not disturb",
        12_000..15_000 => "be right back",
        15_000..18_000 => "away",
        18_000.. => "offline",
    })
}

/// Words for a container of presence ([MS-PRES]): who sees what is published in it.
pub fn container(id: u32) -> Option<&'static str> {
    Some(match id {
        0 => "default: everyone whom no other container holds",
        1 => "for the user's own clients",
        2 | 3 => "where the user's own clients publish their state",
        100 => "public: contacts of other companies",
        200 => "company: colleagues",
        300 => "workgroup: contacts of the team",
        400 => "personal: friends and family",
        32_000 => "blocked contacts",
        _ => return None,
    })
}

/// Few words for a container, to stand beside its number in a list.
pub fn trust(id: u32) -> Option<&'static str> {
    Some(match id {
        0 => "default",
        1 => "self",
        2 | 3 => "state",
        100 => "public",
        200 => "company",
        300 => "workgroup",
        400 => "personal",
        32_000 => "blocked",
        _ => return None,
    })
}

/// What media an MCU carries; `None` for one that is not known.
pub fn mcu(name: &str) -> Option<&'static str> {
    look_up(&MCUS, name)
}

/// MCU types ([MS-CONFPRO]) and their media.
const MCUS: [(&str, &str); 8] = [
    ("chat", "instant messages"),
    ("im", "instant messages"),
    ("audio-video", "audio and video"),
    ("data-conf", "whiteboard, polls and files"),
    ("meeting", "whiteboard, polls and files"),
    ("applicationsharing", "application sharing"),
    ("phone-conf", "telephone conferencing of a provider"),
    ("cas", "announcements to callers"),
];

/// Kinds of state (`xsi:type` of `state`).
const STATES: [(&str, &str); 5] = [
    ("aggregateState", "the state that others see, made of all the others"),
    ("userState", "the state that the user chose"),
    ("machineState", "the state of one client's computer"),
    ("calendarState", "the state by the calendar"),
    ("phoneState", "the state by the telephone"),
];

/// Members of a container (`type` of `member` and `subscriber`).
const MEMBERS: [(&str, &str); 6] = [
    ("user", "a user"),
    ("domain", "everyone of a domain"),
    ("sameEnterprise", "everyone of the same company"),
    ("federated", "everyone of federated companies"),
    ("publicCloud", "everyone of public services"),
    ("everyone", "everyone"),
];

/// What ends a publication (`expireType`).
const EXPIRIES: [(&str, &str); 4] = [
    ("endpoint", "goes when this client signs out"),
    ("static", "stays"),
    ("user", "goes when the user's last client signs out"),
    ("time", "goes after some time"),
];

/// Categories of presence.
const CATEGORIES: [(&str, &str); 14] = [
    ("state", "availability"),
    ("contactCard", "name, company, numbers of the user"),
    ("note", "personal or out-of-office note"),
    ("calendarData", "free and busy times, working hours"),
    ("device", "what a client can do"),
    ("services", "how a user can be reached"),
    ("userProperties", "telephone line, address: from the directory"),
    ("userInformation", "from the directory"),
    ("routing", "where calls go"),
    ("otherOptions", "options of the user"),
    ("dndState", "do not disturb"),
    ("alerts", "when the client rings"),
    ("rccOptions", "control of a desk telephone"),
    ("legacyInterop", "state for old clients"),
];

/// Groups of settings.
const SETTING_GROUPS: [(&str, &str); 13] = [
    ("ServerConfiguration", "URLs and features of the server"),
    ("endpointConfiguration", "how the client behaves"),
    ("locationPolicy", "emergency calls and location"),
    ("mediaConfiguration", "encryption and limits of media"),
    ("meetingPolicy", "what the user may do in conferences"),
    ("presencePolicy", "how many contacts and subscribers are allowed"),
    ("presencePolicyV2", "how many contacts and subscribers are allowed"),
    ("privacyPublicationGrammar", "which category goes to whom"),
    ("publicationGrammar", "how states become one"),
    ("ucPhoneSettings", "settings of telephones"),
    ("ucPolicy", "what the user may do: voice, sharing, federation"),
    ("userSettings", "settings of the user"),
    ("persistentChatConfiguration", "rooms of persistent chat"),
];

/// Links of Autodiscover (`token`).
const LINKS: [(&str, &str); 9] = [
    ("Redirect", "ask there instead"),
    ("User", "where a user finds the home server, with a ticket"),
    ("Domain", "what holds for the domain"),
    ("OAuth", "the same with OAuth"),
    ("Self", "this resource"),
    ("Ucwa", "web API for mobile clients"),
    ("External/Mcx", "mobility service, from outside"),
    ("Internal/Mcx", "mobility service, from inside"),
    ("xframe", "page for web clients"),
];

/// Elements by name, where no value says more. Settings are elements, or properties of that name.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("contactList", "the whole contact list"),
    ("contactDelta", "changes to the contact list"),
    ("provisioningGroupList", "groups of settings that the client asks for"),
    ("provisionGroupList", "settings from the server"),
    ("focusFactoryUri", "where conferences are made"),
    ("mrasUri", "where credentials for the A/V Edge are asked"),
    ("absInternalServerUrl", "address book, from inside"),
    ("absExternalServerUrl", "address book, from outside"),
    ("dlxInternalUrl", "members of distribution groups, from inside"),
    ("dlxExternalUrl", "members of distribution groups, from outside"),
    ("dlxEnabled", "whether distribution groups can be opened"),
    ("updatesServerInternalUrl", "updates for telephones, from inside"),
    ("updatesServerExternalUrl", "updates for telephones, from outside"),
    ("botSipUriForTestCall", "answers a test call"),
    ("ucPC2PCAVEncryption", "whether audio and video are encrypted"),
    ("ucPortRangeEnabled", "whether media keep to a range of ports"),
    ("ucMinMediaPort", "first port for media"),
    ("ucMaxMediaPort", "last port for media"),
    ("ucDiffServVoice", "DSCP of voice"),
    ("ucMaxVideoRateAllowed", "best video that is allowed"),
    ("EnableEnterpriseVoice", "whether the user has Enterprise Voice"),
    ("roamingList", "what the client wants to be told of the user's own data"),
    ("roamingData", "the user's own data"),
    ("categories", "presence, by category"),
    ("containers", "who is in which container"),
    ("subscribers", "who watches the user"),
    ("delegates", "who may act for the user"),
    ("publish", "what the client publishes"),
    ("capabilities", "what a client can do"),
    ("machineName", "computer of the client"),
    ("endpointLocation", "where the client is"),
    ("setSubscribers", "the client takes note of subscribers"),
    ("getConferencingCapabilities", "what conferencing offers"),
    ("getConferences", "the user's conferences"),
    ("addConference", "a conference is made"),
    ("getConference", "one conference"),
    ("mcu-types", "servers of conferencing (MCUs) by what they carry"),
    ("pstn-bridging", "access from the telephone network"),
    ("default-region", "region whose numbers are offered first"),
    ("pstn-access", "dial-in from the telephone network"),
    ("encryptionCertificate", "the client's certificate, for which secrets are encrypted"),
    ("x509-certificate", "the client's certificate, for which secrets are encrypted"),
    ("conference-encrypted-info", "secrets of the conference, encrypted for the client"),
    ("conferenceKeys", "names a conference"),
    ("admission-policy", "who may come in"),
    ("LocationProfileDescription", "dial plan"),
    ("ExternalAccessPrefix", "digits before a number outside"),
    ("credentialsRequest", "asks for credentials of a media relay"),
    ("credentials", "credentials for the media relay; they are not shown"),
    ("mediaRelay", "A/V Edge"),
    ("duration", "how long it is good for"),
    ("batchSub", "subscribes to the presence of several users"),
    ("SipClientInternalAccess", "SIP server for a client inside"),
    ("SipClientExternalAccess", "SIP server for a client outside"),
    ("SipServerInternalAccess", "reserved, not used"),
    ("SipServerExternalAccess", "reserved, not used"),
    ("Conditions", "from when to when the ticket is good"),
    ("RequestSecurityToken", "asks for a ticket or certificate"),
    ("GetAndPublishCert", "asks for a certificate for later sign-ins"),
    ("AppliesTo", "service for which the ticket is asked"),
    ("ErrorId", "number of the error, as in ms-diagnostics"),
];

/// What an element means; `None` where nothing is known of it.
pub fn meaning(element: Element<'_>, parent: Option<Element<'_>>) -> Option<&'static str> {
    by_value(element, parent).or_else(|| look_up(NAMES, element.name())).or_else(|| of_setting(element))
}

fn by_value(element: Element<'_>, parent: Option<Element<'_>>) -> Option<&'static str> {
    let of = |table: &[(&str, &'static str)], attribute: &str| look_up(table, element.attribute(attribute)?);
    match element.name().to_ascii_lowercase().as_str() {
        "availability" => availability(element.text().parse().ok()?),
        "container" => container(element.attribute("id")?.parse().ok()?),
        "state" => look_up(&STATES, unprefixed(element.attribute("type")?)),
        "member" | "subscriber" => of(&MEMBERS, "type"),
        "category" => of(&CATEGORIES, "name"),
        "publication" => of(&EXPIRIES, "expireType"),
        "provisiongroup" | "provisioninggroup" => of(&SETTING_GROUPS, "name"),
        "link" => of(&LINKS, "token"),
        "mcutype" | "mcu-type" => mcu(element.text()),
        "group" | "addedgroup" | "modifiedgroup" => {
            (element.attribute("name") == Some("~")).then_some("the default group, Other Contacts")
        }
        "conference-info" => (element.attribute("state") == Some("partial"))
            .then_some("not all of the conference is told here, which is normal"),
        "id" => parent.is_some_and(|parent| parent.is("pstn-access")).then_some("dial-in id of the conference"),
        "display-text" => is_number(element.text()).then_some("dial-in id of the conference"),
        "response" => match element.attribute("code")? {
            "success" => Some("it worked"),
            "failure" => Some("it failed, whatever the SIP status says"),
            _ => None,
        },
        "contactlist" => element.attribute("ucsmode").map(contacts_in),
        _ => match element.attribute("AccessLocation")? {
            "Internal" => Some("the client is inside the company network"),
            "External" => Some("the client is outside the company network"),
            _ => None,
        },
    }
}

/// Where a contact list is kept, by its `ucsmode`.
fn contacts_in(mode: &str) -> &'static str {
    if mode.eq_ignore_ascii_case("migrated") {
        "the contact list is kept in Exchange"
    } else {
        "the whole contact list"
    }
}

fn of_setting(element: Element<'_>) -> Option<&'static str> {
    element.is("property").then(|| look_up(NAMES, element.attribute("name")?)).flatten()
}

/// A value of `xsi:type` without its prefix.
pub fn unprefixed(value: &str) -> &str {
    value.rsplit(':').next().unwrap_or(value)
}

/// Whether it is digits only, and some.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn look_up(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::xml::Document;

    #[test]
    fn availabilities() {
        let published = [3500, 6500, 9500, 12_500, 15_500, 18_500].map(|number| availability(number).unwrap());
        assert_eq!(published, ["available", "busy", "do not disturb", "be right back", "away", "offline"]);
        let edges = [2999, 3000, 4499, 4500, 5999, 6000, 7500, 8999, 11_999, 14_999, 17_999, 18_000].map(availability);
        let expected = [
            None,
            Some("available"),
            Some("available"),
            Some("available, idle"),
            Some("available, idle"),
            Some("busy"),
            Some("busy, idle"),
            Some("busy, idle"),
            Some("do not disturb"),
            Some("be right back"),
            Some("away"),
            Some("offline"),
        ];
        assert_eq!(edges, expected);
    }

    #[track_caller]
    fn check(body: &str, expected: Option<&str>) {
        assert_eq!(meaning(Document::parse(body).root().unwrap(), None), expected, "{body}");
    }

    #[test]
    fn meanings() {
        check("<conference-info state='partial'/>", Some("not all of the conference is told here, which is normal"));
        check("<conference-info state='full'/>", None);
        check("<AutodiscoverResponse AccessLocation='External'/>", Some("the client is outside the company network"));
        check("<property name='EnableEnterpriseVoice'>false</property>", Some("whether the user has Enterprise Voice"));
        check("<display-text>29905</display-text>", Some("dial-in id of the conference"));
        check("<display-text>Meeting</display-text>", None);
        check("<contactList ucsmode='migrated'/>", Some("the contact list is kept in Exchange"));
        check("<group name='~'/>", Some("the default group, Other Contacts"));
        check("<member type='everyone'/>", Some("everyone"));
        check("<unheard-of/>", None);
    }

    #[test]
    fn what_is_secret() {
        assert!(is_secret("Password") && is_secret("BinarySecret") && is_secret("conference-encrypted-info"));
        assert!(!is_secret("name") && !is_secret("token"), "Autodiscover calls the name of a link token");
    }
}
