//! Web services of a sign-in (SOAP 1.1 and 1.2): the ticket ([MS-OCAUTHWS], WS-Trust), the certificate, faults, and
//! the metadata that says where they are. Tickets, proofs and keys are not read.

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::conferencing::decode_base64;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::listed;
use crate::wire::bodies::words::short;
use crate::wire::bodies::words::text;
use crate::wire::certificate;
use crate::wire::xml::Element;

/// Asks for a ticket (`RequestSecurityToken`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRequest {
    /// For whom.
    pub user: Option<String>,
    /// For which service.
    pub applies_to: Option<String>,
}

/// A ticket was given (`RequestSecurityTokenResponse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// For whom.
    pub user: Option<String>,
    /// Who gave it.
    pub issuer: Option<String>,
    /// Good from, as it stands.
    pub not_before: Option<String>,
    /// Good until before this, as it stands.
    pub not_on_or_after: Option<String>,
}

/// Asks for a certificate for later sign-ins (`GetAndPublishCert`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// For whom.
    pub entity: Option<String>,
    /// For which endpoint: the GUID of `+sip.instance`.
    pub device_id: Option<String>,
    /// Until when the ticket is good that goes with it.
    pub ticket_until: Option<String>,
    /// Whether a request of a certificate (PKCS #10) is in it.
    pub has_request: bool,
}

/// A certificate was given (`GetAndPublishCertResponse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// For whom.
    pub entity: Option<String>,
    /// For which endpoint.
    pub device_id: Option<String>,
    /// The certificate, DER, for [`certificate::parse`].
    pub der: Option<Vec<u8>>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoapFault {
    /// Its code, without prefix.
    pub code: Option<String>,
    /// Its text.
    pub text: Option<String>,
    /// Number of the error, as in `ms-diagnostics` (`OCSDiagnosticsFault`).
    pub error_id: Option<u32>,
    /// What the server says of that number.
    pub reason: Option<String>,
}

/// Another message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoapMessage {
    /// Name of what is in the envelope.
    pub operation: String,
    /// The action that is asked.
    pub action: Option<String>,
}

/// What a service says of itself (WSDL, or a metadata exchange around it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Name of the service.
    pub service: Option<String>,
    /// Name and URL of each port: the ways to authenticate.
    pub ports: Vec<(String, String)>,
}

/// Reads an envelope.
pub fn read(root: Element<'_>) -> Option<Body> {
    let envelope = root.find("Envelope")?;
    let body = envelope.child("Body").or_else(|| envelope.find("Body"))?;
    if let Some(fault) = body.find("Fault") {
        return Some(Body::SoapFault(read_fault(fault)));
    }
    let operation = body.elements().next();
    if let Some(metadata) = operation.filter(|operation| operation.is("Metadata")).and_then(read_metadata) {
        return Some(metadata);
    }
    Some(match operation.map(|operation| operation.name().to_ascii_lowercase()).as_deref() {
        Some("getandpublishcert") => Body::CertificateRequest(certificate_request(envelope, body)),
        Some("getandpublishcertresponse") => Body::IssuedCertificate(issued(body)),
        Some("requestsecuritytoken") => Body::TicketRequest(ticket_request(body)),
        Some("requestsecuritytokenresponsecollection" | "requestsecuritytokenresponse") => Body::Ticket(ticket(body)),
        _ => Body::SoapMessage(SoapMessage {
            operation: operation.map(|operation| operation.name().to_owned()).unwrap_or_default(),
            action: text(envelope, "Action"),
        }),
    })
}

/// Reads metadata, with or without an envelope.
pub fn read_metadata(root: Element<'_>) -> Option<Body> {
    let metadata = root.find("definitions").or_else(|| root.find("Metadata"))?;
    let port = |port: Element<'_>| {
        let place = port.find("address").and_then(|address| attribute(address, "location"));
        (attribute(port, "name").unwrap_or_default(), place.unwrap_or_default())
    };
    // A port of a service has an address, a portType has none.
    let service = metadata.find("service");
    let name = service.and_then(|service| attribute(service, "name"));
    Some(Body::Metadata(Metadata {
        service: name.or_else(|| attribute(metadata, "name")),
        ports: service.into_iter().flat_map(|service| service.find_all("port")).map(port).collect(),
    }))
}

fn read_fault(fault: Element<'_>) -> SoapFault {
    let code = fault.text_of("faultcode").or_else(|| fault.find("Code")?.text_of("Value"));
    let reason = || fault.child("Reason").and_then(|reason| text(reason, "Text"));
    let details = fault.find("OCSDiagnosticsFault").or_else(|| fault.child("detail")).or_else(|| fault.child("Detail"));
    SoapFault {
        code: code.map(|code| code.rsplit(':').next().unwrap_or(code).to_owned()),
        text: text(fault, "faultstring").or_else(reason),
        error_id: fault.text_of("ErrorId").and_then(|number| number.parse().ok()),
        reason: details.and_then(|details| text(details, "Reason")),
    }
}

fn ticket_request(body: Element<'_>) -> TicketRequest {
    let claims = body.find("Claims");
    let applies_to = body.find("AppliesTo");
    TicketRequest {
        user: claims.and_then(|claims| text(claims, "Value")),
        applies_to: applies_to.and_then(|place| text(place, "Address")),
    }
}

fn ticket(body: Element<'_>) -> Ticket {
    let conditions = body.find("Conditions");
    let condition = |name| conditions.and_then(|conditions| attribute(conditions, name));
    // An encrypted assertion has no conditions to read; the life time beside it says the same.
    let lifetime = |name| body.find("Lifetime").and_then(|lifetime| text(lifetime, name));
    Ticket {
        user: text(body, "NameIdentifier"),
        issuer: body.find("Assertion").and_then(|assertion| attribute(assertion, "Issuer")),
        not_before: condition("NotBefore").or_else(|| lifetime("Created")),
        not_on_or_after: condition("NotOnOrAfter").or_else(|| lifetime("Expires")),
    }
}

fn certificate_request(envelope: Element<'_>, body: Element<'_>) -> CertificateRequest {
    let request = body.find("GetAndPublishCert");
    CertificateRequest {
        entity: request.and_then(|request| attribute(request, "Entity")),
        device_id: request.and_then(|request| attribute(request, "DeviceId")),
        ticket_until: envelope.find("Conditions").and_then(|conditions| attribute(conditions, "NotOnOrAfter")),
        has_request: body.text_of("BinarySecurityToken").is_some(),
    }
}

fn issued(body: Element<'_>) -> IssuedCertificate {
    let response = body.find("GetAndPublishCertResponse");
    IssuedCertificate {
        entity: response.and_then(|response| attribute(response, "Entity")),
        device_id: response.and_then(|response| attribute(response, "DeviceId")),
        der: body.text_of("BinarySecurityToken").and_then(decode_base64),
    }
}

fn for_whom(user: Option<&String>) -> String {
    user.map(|user| format!(" for {}", short(user))).unwrap_or_default()
}

impl View for TicketRequest {
    fn kind(&self) -> &'static str {
        "ticket-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("user", self.user.as_ref());
        facts.put("applies_to", self.applies_to.as_ref());
    }

    fn sentence(&self) -> String {
        let service = self.applies_to.as_deref().map(|service| format!(", to use {}", short(service)));
        format!("The client asks for a web ticket{}{}.", for_whom(self.user.as_ref()), service.unwrap_or_default())
    }
}

impl View for Ticket {
    fn kind(&self) -> &'static str {
        "ticket"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("user", self.user.as_ref());
        facts.put("issuer", self.issuer.as_ref());
        facts.put("valid_from", self.not_before.as_ref());
        facts.put("valid_until", self.not_on_or_after.as_ref());
    }

    fn sentence(&self) -> String {
        let until = self.not_on_or_after.as_deref().map(|until| format!(", good until {}", short(until)));
        format!("The server gives a web ticket{}{}.", for_whom(self.user.as_ref()), until.unwrap_or_default())
    }
}

impl View for CertificateRequest {
    fn kind(&self) -> &'static str {
        "certificate-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("user", self.entity.as_ref());
        facts.put("endpoint", self.device_id.as_ref());
        facts.put("ticket_until", self.ticket_until.as_ref());
    }

    fn sentence(&self) -> String {
        format!("The client asks for a certificate{}, with which it can sign in later.", for_whom(self.entity.as_ref()))
    }
}

impl View for IssuedCertificate {
    fn kind(&self) -> &'static str {
        "certificate"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("user", self.entity.as_ref());
        facts.put("endpoint", self.device_id.as_ref());
        let Some(read) = self.read() else { return };
        facts.put("subject", Some(&read.subject));
        facts.put("issuer", Some(&read.issuer));
        facts.put("valid_from", date(read.not_before));
        facts.put("valid_until", date(read.not_after));
    }

    fn sentence(&self) -> String {
        let user = for_whom(self.entity.as_ref());
        let until = self.read().and_then(|read| date(read.not_after));
        match (&self.der, until) {
            (None, _) => format!("The server answers the request of a certificate{user} without one."),
            (_, Some(until)) => format!("The server gives a certificate{user}, valid until {until}."),
            _ => format!("The server gives a certificate{user}."),
        }
    }
}

impl IssuedCertificate {
    fn read(&self) -> Option<crate::model::tls::Certificate> {
        certificate::parse(self.der.as_ref()?)
    }
}

fn date(time: crate::model::Timestamp) -> Option<String> {
    jiff::Timestamp::from_nanosecond(time.as_nanos().into()).ok().map(|time| time.to_string())
}

impl View for SoapFault {
    fn kind(&self) -> &'static str {
        "fault"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("fault", self.text.as_ref().or(self.reason.as_ref()).or(self.code.as_ref()));
        facts.put("fault_code", self.code.as_ref());
        facts.number("error_id", self.error_id);
        facts.put("reason", self.reason.as_ref());
    }

    fn sentence(&self) -> String {
        let parts = [&self.code, &self.text, &self.reason].into_iter().flatten().map(|part| short(part));
        let mut parts: Vec<String> = parts.collect();
        parts.dedup();
        let id = self.error_id.map(|id| format!(", error {id}")).unwrap_or_default();
        let words = if parts.is_empty() { "no reason".to_owned() } else { parts.join(": ") };
        format!("The service refuses: {}{id}.", words.trim_end_matches('.'))
    }
}

impl View for SoapMessage {
    fn kind(&self) -> &'static str {
        "soap"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("operation", Some(&self.operation));
        facts.put("action", self.action.as_ref());
    }

    fn sentence(&self) -> String {
        if self.operation.is_empty() {
            return "A SOAP message with nothing in it.".to_owned();
        }
        format!("A SOAP message: {}.", short(&self.operation))
    }
}

impl View for Metadata {
    fn kind(&self) -> &'static str {
        "metadata"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("service", self.service.as_ref());
        facts.list("ports", self.ports.iter().map(|(name, _)| name));
    }

    fn sentence(&self) -> String {
        let name = self.service.as_deref().map_or_else(|| "The service".to_owned(), short);
        let ports = listed(self.ports.iter().map(|(name, _)| name));
        if ports.is_empty() {
            return format!("{name} describes itself.");
        }
        format!("{name} says by which ways it can be used: {ports}.")
    }
}
