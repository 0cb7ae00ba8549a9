//! SIP statuses (RFC 3261 §21 and its extensions), and what they mean at a step of a sign-in.

use crate::model::codes::Code;
use crate::model::codes::CodeKind;

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Sip, number, name, meaning)
}

/// In the order of the statuses.
#[rustfmt::skip]
pub static TABLE: [Code; 82] = [
    code(100, "Trying", "the request was received; the answer will come"),
    code(180, "Ringing", "the other side rings"),
    code(181, "Call Is Being Forwarded", "the call goes on to another destination"),
    code(182, "Queued", "the call waits in a queue"),
    code(183, "Session Progress", "the call goes on; media may come before the answer"),
    code(199, "Early Dialog Terminated", "one branch of a forked call has ended (RFC 6228)"),
    code(200, "OK", "the request was carried out"),
    code(202, "Accepted", "the request was accepted and is still being carried out (RFC 3265)"),
    code(204, "No Notification", "a subscription without a notification (RFC 5839)"),
    code(300, "Multiple Choices", "the destination has several addresses"),
    code(301, "Moved Permanently", "the destination has another address for good; Contact has it"),
    code(302, "Moved Temporarily", "the destination has another address for now; Contact has it"),
    code(305, "Use Proxy", "the request has to go through the proxy in Contact"),
    code(380, "Alternative Service", "the call failed; another service is possible"),
    code(400, "Bad Request", "the request is not well formed"),
    code(401, "Unauthorized", "the registrar asks for credentials"),
    code(402, "Payment Required", "reserved"),
    code(403, "Forbidden", "the server understood and refuses; credentials will not help").fix("Explain the ms-diagnostics of the answer: it has the reason"),
    code(404, "Not Found", "there is no such user or destination").fix("Check the address, and that the user is enabled"),
    code(405, "Method Not Allowed", "the method is not allowed for this address"),
    code(406, "Not Acceptable", "the destination cannot answer in a form that the request accepts"),
    code(407, "Proxy Authentication Required", "a proxy asks for credentials"),
    code(408, "Request Timeout", "no answer in time").fix("Look for the hop that does not answer"),
    code(409, "Conflict", "the request conflicts with what the server has; of a publication: another endpoint was first"),
    code(410, "Gone", "the destination existed once"),
    code(411, "Length Required", "Content-Length is missing"),
    code(412, "Conditional Request Failed", "the entity tag of the publication is not current (RFC 3903)"),
    code(413, "Request Entity Too Large", "the body is too large"),
    code(414, "Request-URI Too Long", "the Request-URI is too long"),
    code(415, "Unsupported Media Type", "the server does not know the type of the body"),
    code(416, "Unsupported URI Scheme", "the server does not know the scheme of the Request-URI"),
    code(417, "Unknown Resource-Priority", "a priority that is not known (RFC 4412)"),
    code(420, "Bad Extension", "the server does not know an extension that Require asks for"),
    code(421, "Extension Required", "the server needs an extension that the client does not offer"),
    code(422, "Session Interval Too Small", "the session timer is too short; Min-SE has the least (RFC 4028)"),
    code(423, "Interval Too Brief", "the expiry is too short; Min-Expires has the least"),
    code(424, "Bad Location Information", "the location is damaged or missing (RFC 6442)"),
    code(425, "Bad Alert Message", "the alert was not understood (RFC 8876)"),
    code(428, "Use Identity Header", "Identity is missing (RFC 8224)"),
    code(429, "Provide Referrer Identity", "Referred-By is missing or not signed (RFC 3892)"),
    code(430, "Flow Failed", "the connection to the client is gone (RFC 5626)"),
    code(433, "Anonymity Disallowed", "the caller must not be anonymous (RFC 5079)"),
    code(436, "Bad Identity Info", "the certificate of Identity cannot be fetched (RFC 8224)"),
    code(437, "Unsupported Credential", "the certificate of Identity is not accepted (RFC 8224)"),
    code(438, "Invalid Identity Header", "the signature of Identity does not verify (RFC 8224)"),
    code(439, "First Hop Lacks Outbound Support", "the first proxy does not know outbound (RFC 5626)"),
    code(440, "Max-Breadth Exceeded", "the request was forked too widely (RFC 5393)"),
    code(469, "Bad Info Package", "an INFO of a package that was not agreed on (RFC 6086)"),
    code(470, "Consent Needed", "the recipient has not agreed to get it (RFC 5360)"),
    code(480, "Temporarily Unavailable", "the destination is known and not reachable now: nobody is signed in there"),
    code(481, "Call/Transaction Does Not Exist", "the server does not know the dialog or transaction"),
    code(482, "Loop Detected", "the request came back to a server that it had passed").fix("Look at Via: the same server is in it twice; correct the routing"),
    code(483, "Too Many Hops", "Max-Forwards has run out").fix("Look for a routing loop"),
    code(484, "Address Incomplete", "the number is not complete"),
    code(485, "Ambiguous", "the address fits several users"),
    code(486, "Busy Here", "this endpoint is busy"),
    code(487, "Request Terminated", "the request was cancelled"),
    code(488, "Not Acceptable Here", "what the body offers is not acceptable at this destination"),
    code(489, "Bad Event", "the server does not know the event package (RFC 3265)"),
    code(491, "Request Pending", "another request of the same dialog is still open"),
    code(493, "Undecipherable", "the body is encrypted with a key that the recipient does not have"),
    code(494, "Security Agreement Required", "a security mechanism has to be agreed on first (RFC 3329)"),
    code(500, "Server Internal Error", "the server failed").fix("Look at the event log of the server and at its database"),
    code(501, "Not Implemented", "the server does not know the method"),
    code(502, "Bad Gateway", "the next server gave an answer that is not valid"),
    code(503, "Service Unavailable", "the server is overloaded, is shut down, or lets nobody in; Retry-After says for how long").fix("Start the services of the pool, and look at its event log"),
    code(504, "Server Time-out", "the next server cannot be reached or did not answer in time").fix("Explain the ms-diagnostics of the answer; check name, port and certificate of the next hop"),
    code(505, "Version Not Supported", "the server does not know this version of SIP"),
    code(513, "Message Too Large", "the message is too large"),
    code(555, "Push Notification Service Not Supported", "the push service is not known (RFC 8599)"),
    code(580, "Precondition Failure", "a precondition of the call cannot be met (RFC 3312)"),
    code(600, "Busy Everywhere", "all endpoints are busy"),
    code(603, "Decline", "the other side does not want to"),
    code(604, "Does Not Exist Anywhere", "there is no such destination"),
    code(605, "Decline Everywhere", "all endpoints decline (Microsoft)"),
    code(606, "Not Acceptable", "what the body offers is acceptable at no endpoint"),
    code(607, "Not In Batch", "the contact is not in the batch; RFC 8197 calls it Unwanted"),
    code(608, "Not Supported", "it is not supported (Microsoft); RFC 8688 calls it Rejected"),
    code(609, "No Data", "there is no data (Microsoft)"),
    code(610, "Not Member", "the user is no member (Microsoft)"),
    code(611, "Restart Session", "the session has to be begun anew (Microsoft)"),
    code(612, "Pending", "the request is still open (Microsoft)"),
];

const REGISTER: &[&str] = &["challenge", "authenticate", "register"];
const SUBSCRIBE: &[&str] = &["contacts", "provisioning", "self", "buddies"];
const FOCUS: &[&str] = &["conferencing-capabilities", "conferences", "add-conference", "conference-key"];
const PUBLISH: &[&str] = &["publish-state", "publish-device"];
const BACKEND: &str =
    "The client shows limited functionality: check the database of the pool and Windows Fabric, and start the servers";

/// What a status means at some steps.
pub struct AtSteps {
    /// Ids of the steps.
    pub steps: &'static [&'static str],
    /// The meaning there.
    pub code: Code,
}

const fn at(steps: &'static [&'static str], code: Code) -> AtSteps {
    AtSteps { steps, code }
}

/// By step, then by status.
#[rustfmt::skip]
pub static AT_STEPS: [AtSteps; 33] = [
    at(&["compress"], code(488, "Not Acceptable Here", "the server does not compress; the client goes on without").probably()),
    at(REGISTER, code(200, "OK", "the user is registered")),
    at(REGISTER, code(301, "Moved Permanently", "go to the home pool in Contact; normal with a Director")),
    at(REGISTER, code(302, "Moved Temporarily", "go to the home pool in Contact; normal with a Director")),
    at(&["challenge"], code(401, "Unauthorized", "the server names the schemes that it takes; normal. Where the client then closes, it can use none of them").fix("Offer a scheme that the client can use: Kerberos alone does not serve a computer outside the domain")),
    at(&["authenticate", "register"], code(401, "Unauthorized", "normal once with Kerberos, twice with NTLM, three times with TLS-DSK; more, or the second step again with a new opaque, is a fault").fix("Check password, client certificate and clock; behind a load balancer check that all messages of a client go to one server")),
    at(REGISTER, code(403, "Forbidden", "rejected: not enabled for remote access (4003), identity does not fit (4004), client version blocked, or user disabled").fix("ms-diagnostics-public or Warning of the answer has the reason")),
    at(REGISTER, code(404, "Not Found", "the address is unknown or not enabled for SIP (4005)").fix("Enable the user, correct the address, or wait for the replication of Active Directory")),
    at(REGISTER, code(407, "Proxy Authentication Required", "a proxy asks for credentials")),
    at(REGISTER, code(480, "Temporarily Unavailable", "the user is being moved, or the services of the pool are starting").fix("End the move; wait until the pool is up").probably()),
    at(REGISTER, code(482, "Loop Detected", "a routing loop between the servers").fix("Look at Via; correct the routing between Director and pools")),
    at(REGISTER, code(483, "Too Many Hops", "a routing loop between the servers").fix("Look at Via; correct the routing between Director and pools")),
    at(REGISTER, code(488, "Not Acceptable Here", "the server does not take the request as it is").probably()),
    at(REGISTER, code(500, "Server Internal Error", "the server failed: database or backend").fix("Look at the event log of the Front End and at its database")),
    at(REGISTER, code(503, "Service Unavailable", "the service is down, overloaded or draining; Retry-After says for how long").fix("Start the services of the pool, and look at its event log")),
    at(REGISTER, code(504, "Server Time-out", "the next hop cannot be reached; from an Edge: the pool inside is down, or Edge and pool do not trust each other's certificates (1010)").fix("Check port 5061 from the Edge to the pool, and their certificates")),
    at(&["location-profile"], code(403, "Forbidden", "the user is not enabled for Enterprise Voice; harmless").fix("Enable Enterprise Voice only if the user should have it")),
    at(SUBSCRIBE, code(200, "OK", "the subscription stands; the body is its first notification")),
    at(SUBSCRIBE, code(403, "Forbidden", "the event package is not allowed for this user")),
    at(SUBSCRIBE, code(404, "Not Found", "the user is unknown to the server that was asked")),
    at(SUBSCRIBE, code(481, "Call/Transaction Does Not Exist", "the dialog is gone; the client subscribes anew")),
    at(SUBSCRIBE, code(489, "Bad Event", "the server does not know the event package")),
    at(SUBSCRIBE, code(500, "Server Internal Error", "the backend is down").fix(BACKEND)),
    at(SUBSCRIBE, code(504, "Server Time-out", "the backend is down").fix(BACKEND)),
    at(FOCUS, code(200, "OK", "an answer of the focus factory; with code=\"failure\" in its body it is a failure all the same").fix("Look at the body")),
    at(FOCUS, code(403, "Forbidden", "conferencing is not allowed").fix("Check the conferencing policy of the user")),
    at(FOCUS, code(404, "Not Found", "there is no focus").fix("Check the conferencing services of the pool")),
    at(FOCUS, code(504, "Server Time-out", "the focus or a conferencing service is down").fix("Start the conferencing services of the pool")),
    at(PUBLISH, code(200, "OK", "published")),
    at(PUBLISH, code(403, "Forbidden", "the user may not publish this: a delegate, or another user")),
    at(PUBLISH, code(409, "Conflict", "another endpoint published first; the client does so again, which is normal")),
    at(PUBLISH, code(413, "Request Entity Too Large", "the publication is too large")),
    at(PUBLISH, code(415, "Unsupported Media Type", "the publication is of the wrong type")),
];

/// What a status means in general.
pub fn of(status: u16) -> Option<Code> {
    CodeKind::Sip.find(status.into())
}

/// What a status means at the step of that id, where it means more there than in general.
pub fn at_step(status: u16, step_id: &str) -> Option<Code> {
    let found = AT_STEPS.iter().find(|at| at.code.number == u32::from(status) && at.steps.contains(&step_id));
    found.map(|at| at.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, step_id: &str, meaning: &str) {
        let found = at_step(status, step_id).map_or("", |code| code.meaning);
        assert!(found.contains(meaning) && found.is_empty() == meaning.is_empty(), "{status} at {step_id}: {found}");
    }

    #[test]
    fn the_same_status_means_another_thing_at_another_step() {
        check(403, "location-profile", "harmless");
        check(403, "register", "4003");
        check(401, "challenge", "normal");
        check(401, "authenticate", "three times with TLS-DSK");
        check(409, "publish-state", "normal");
        check(489, "contacts", "event package");
        check(504, "add-conference", "focus");
        check(488, "compress", "compress");
        check(486, "register", "");
        check(403, "no-such-step", "");
    }

    #[test]
    fn entries_of_steps_are_sound() {
        for (index, one) in AT_STEPS.iter().enumerate() {
            assert_eq!(of(u16::try_from(one.code.number).unwrap()).unwrap().name, one.code.name);
            assert!(!one.code.meaning.is_empty() && !one.steps.is_empty());
            for other in &AT_STEPS[index + 1..] {
                let same = other.code.number == one.code.number;
                assert!(!same || one.steps.iter().all(|step| !other.steps.contains(step)), "{}", one.code);
            }
        }
    }
}
