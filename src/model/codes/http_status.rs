//! HTTP statuses that Lync web services answer with, and what they mean at a step of a sign-in.

use crate::model::codes::Code;
use crate::model::codes::CodeKind;
use crate::model::codes::sip_status::AtSteps;

const SERVICES: &str = "Look at IIS on the Front End: the virtual directory, its application pool, its authentication";

const fn code(number: u32, name: &'static str, meaning: &'static str) -> Code {
    Code::new(CodeKind::Http, number, name, meaning)
}

/// In the order of the statuses (RFC 9110 §15).
#[rustfmt::skip]
pub static TABLE: [Code; 29] = [
    code(100, "Continue", "the client may send the body"),
    code(101, "Switching Protocols", "the connection goes on with another protocol"),
    code(200, "OK", "the request was carried out"),
    code(201, "Created", "what was asked for was made"),
    code(202, "Accepted", "the request was accepted and is still being carried out"),
    code(204, "No Content", "the request was carried out; there is nothing to send"),
    code(301, "Moved Permanently", "go to the URL in Location"),
    code(302, "Found", "go to the URL in Location for now"),
    code(303, "See Other", "the answer is at the URL in Location"),
    code(304, "Not Modified", "what the client has is current"),
    code(307, "Temporary Redirect", "go to the URL in Location for now, with the same method"),
    code(308, "Permanent Redirect", "go to the URL in Location, with the same method"),
    code(400, "Bad Request", "the request is not well formed"),
    code(401, "Unauthorized", "the server asks for credentials; NTLM needs two of it, Kerberos one, a web ticket one"),
    code(403, "Forbidden", "the server refuses; credentials will not help"),
    code(404, "Not Found", "there is no such page").fix(SERVICES),
    code(405, "Method Not Allowed", "the method is not allowed for this page"),
    code(407, "Proxy Authentication Required", "a proxy on the way asks for credentials").fix("Let the client reach the web services without a proxy, or with one that it can authenticate to"),
    code(408, "Request Timeout", "the request did not come in time"),
    code(409, "Conflict", "the request conflicts with what the server has"),
    code(410, "Gone", "the page existed once"),
    code(411, "Length Required", "Content-Length is missing"),
    code(413, "Content Too Large", "the body is too large"),
    code(415, "Unsupported Media Type", "the server does not know the type of the body"),
    code(429, "Too Many Requests", "the client asks too often; Retry-After says for how long to wait"),
    code(500, "Internal Server Error", "the server failed; with SOAP the body has a fault").fix("Look at x-ms-diagnostics and the fault of the answer, and at the event log of the Front End"),
    code(502, "Bad Gateway", "the reverse proxy got no valid answer from the Front End").fix("Check the reverse proxy: its way to port 4443 of the pool, and the certificate there"),
    code(503, "Service Unavailable", "the application pool is stopped, or the server is overloaded").fix(SERVICES),
    code(504, "Gateway Timeout", "the reverse proxy got no answer from the Front End").fix("Check the reverse proxy: its way to port 4443 of the pool"),
];

const DISCOVER: &[&str] = &["discover"];
const TICKET: &[&str] = &["web-ticket"];
const CERTIFICATE: &[&str] = &["certificate"];

const fn at(steps: &'static [&'static str], code: Code) -> AtSteps {
    AtSteps { steps, code }
}

/// By step, then by status.
#[rustfmt::skip]
pub static AT_STEPS: [AtSteps; 18] = [
    at(DISCOVER, code(200, "OK", "autodiscover answers; on plain HTTP always with one link, a redirect to HTTPS")),
    at(DISCOVER, code(301, "Moved Permanently", "autodiscover is elsewhere; a circle of redirects is a fault").fix("Follow the URLs: in a circle, correct the web service URLs or the settings of the hybrid deployment")),
    at(DISCOVER, code(302, "Found", "autodiscover is elsewhere; a circle of redirects is a fault").fix("Follow the URLs: in a circle, correct the web service URLs or the settings of the hybrid deployment")),
    at(DISCOVER, code(401, "Unauthorized", "the user link wants a web ticket; X-MS-WebTicketURL says from where. Normal")),
    at(DISCOVER, code(403, "Forbidden", "autodiscover is refused; often the reverse proxy has no rule for this host or path").fix("Check the rule of the reverse proxy for lyncdiscover")),
    at(DISCOVER, code(404, "Not Found", "the server that answers is no autodiscover service").fix("Check where lyncdiscover points to, and the virtual directory Autodiscover")),
    at(DISCOVER, code(500, "Internal Server Error", "the autodiscover service failed").fix(SERVICES)),
    at(TICKET, code(200, "OK", "the user has a web ticket")),
    at(TICKET, code(401, "Unauthorized", "the first ones belong to Negotiate or NTLM and are normal; in a loop the credentials are refused").fix("Check the credentials, Windows authentication of the virtual directory WebTicket, and ADFS")),
    at(TICKET, code(403, "Forbidden", "the user gets no web ticket").fix("Check that the user is enabled, and the rule of the reverse proxy")),
    at(TICKET, code(404, "Not Found", "the server that answers has no WebTicket service").fix("Check the web services FQDN of the pool, and where it points to")),
    at(TICKET, code(500, "Internal Server Error", "the WebTicket service refused with a SOAP fault").fix("The fault and x-ms-diagnostics have the reason; check credentials and ADFS")),
    at(CERTIFICATE, code(200, "OK", "the client has its certificate")),
    at(CERTIFICATE, code(401, "Unauthorized", "the certificate service wants a web ticket; the client fetches one and asks again. Normal once")),
    at(CERTIFICATE, code(403, "Forbidden", "the user gets no certificate").fix("Check that the user is enabled and may use certificates (Get-CsWebServiceConfiguration)")),
    at(CERTIFICATE, code(404, "Not Found", "the server that answers has no certificate service").fix("Check the web services FQDN in sts-uri, and where it points to")),
    at(CERTIFICATE, code(500, "Internal Server Error", "the certificate service failed").fix("Look at the fault and x-ms-diagnostics of the answer, and at the event log of the Front End")),
    at(CERTIFICATE, code(503, "Service Unavailable", "the certificate service is down").fix(SERVICES)),
];

/// What a status means in general.
pub fn of(status: u16) -> Option<Code> {
    CodeKind::Http.find(status.into())
}

/// What a status means at the step of that id (`discover` is autodiscover), where it means more there.
pub fn at_step(status: u16, step_id: &str) -> Option<Code> {
    let found = AT_STEPS.iter().find(|at| at.code.number == u32::from(status) && at.steps.contains(&step_id));
    found.map(|at| at.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_by_step() {
        assert!(at_step(401, "web-ticket").unwrap().meaning.contains("NTLM"));
        assert!(at_step(401, "discover").unwrap().meaning.contains("web ticket"));
        assert_eq!(at_step(401, "register"), None);
        for at in &AT_STEPS {
            assert_eq!(of(u16::try_from(at.code.number).unwrap()).unwrap().name, at.code.name);
        }
    }
}
