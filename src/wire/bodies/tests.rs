//! Bodies in the shapes of the specifications, whole and damaged.

use super::*;
use crate::wire::xml::lay_out;

const CONTACTS: &str = "application/vnd-microsoft-roaming-contacts+xml";
const PROVISIONING: &str = "application/vnd-microsoft-roaming-provisioning-v2+xml";
const SELF: &str = "application/vnd-microsoft-roaming-self+xml";
const PUBLISH: &str = "application/msrtc-category-publish+xml";
const CCCP: &str = "application/cccp+xml";
const MRAS: &str = "application/msrtc-media-relay-auth+xml";
const AUTODISCOVER: &str = "application/vnd.microsoft.rtc.autodiscover+xml;v=1";

const CONTACT_LIST: &str = r#"<contactList deltaNum="3">
  <group id="1" name="~" externalURI=""/>
  <group id="2" name="Pinned Contacts" externalURI=""/>
  <contact uri="bob@ex.test" name="" groups="1 2 " subscribed="true" externalURI=""/>
</contactList>"#;

const CONTACT_DELTA: &str = r#"<contactDelta deltaNum="4" prevDeltaNum="3"><addedContact uri="eve@ex.test" groups="1"/><deletedGroup id="2"/></contactDelta>"#;

const GROUPS_ASKED: &str = r#"<provisioningGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist">
  <provisioningGroup name="ServerConfiguration"/>
  <provisioningGroup name="meetingPolicy"/>
  <provisioningGroup name="ucPolicy"/>
</provisioningGroupList>"#;

const SETTINGS: &str = r#"<provisionGroupList>
  <provisionGroup name="ServerConfiguration">
    <focusFactoryUri>sip:ann@ex.test;gruu;opaque=app:conf:focusfactory</focusFactoryUri>
    <absInternalServerUrl>https://webint.ex.test/abs/handler</absInternalServerUrl>
    <consoleDownloadInternalUrl></consoleDownloadInternalUrl>
    <mrasUri>sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc</mrasUri>
  </provisionGroup>
  <provisionGroup name="endpointConfiguration">
    <propertyEntryList><property name="ShowRecentContacts">true</property></propertyEntryList>
  </provisionGroup>
  <provisionGroup name="publicationGrammar"><publicationGrammar name="g0"/></provisionGroup>
</provisionGroupList>"#;

const ROAMING: &str = r#"<roamingData xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self">
  <categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="sip:ann@ex.test">
    <category name="state" instance="1" publishTime="2030-01-02T03:04:05.000" container="2" version="1" expireType="endpoint" endpointId="4233FD41-093B-5FD6-B5D2-651ED55969E6">
      <state xmlns="http://schemas.microsoft.com/2006/09/sip/state" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="aggregateState" lastActive="2030-01-02T03:00:00"><availability>6500</availability><activity token="on-the-phone"/></state>
    </category>
    <category name="state" instance="2" container="200" version="9" endpointId="00000000-0000-0000-0000-000000000001">
      <state xsi:type="machineState"><availability>15500</availability></state>
    </category>
    <category name="userProperties" instance="0" container="1" version="3"><userProperties><lines><line lineType="Uc">tel:+1</line></lines></userProperties></category>
    <category name="note" instance="0" container="32000" version="0"/>
  </categories>
  <containers><container id="300" version="0"><member type="sameEnterprise"/></container><container id="400" version="2"><member type="user" value="bob@ex.test"/></container></containers>
  <subscribers><subscriber user="bob@ex.test" displayName="Bob" acknowledged="false" type="sameEnterprise"/><subscriber user="eve@ex.test" acknowledged="true"/></subscribers>
  <delegates version="0"/>
</roamingData>"#;

const PUBLICATION: &str = r#"<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">
  <publications uri="sip:ann@ex.test">
    <publication categoryName="state" instance="926460663" container="2" version="0" expireType="endpoint">
      <state xmlns="http://schemas.microsoft.com/2006/09/sip/state" manual="false" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="machineState"><availability>3500</availability><endpointLocation/></state>
    </publication>
    <publication categoryName="state" instance="926460663" container="3" version="0" expireType="endpoint"><state xsi:type="machineState"><availability>3500</availability></state></publication>
    <publication categoryName="note" instance="0" container="2" version="3" expireType="static" expires="0"/>
  </publications>
</publish>"#;

const DEVICE: &str = r#"<publish><publications uri="sip:ann@ex.test"><publication categoryName="device" instance="1234567" container="2" version="0" expireType="endpoint">
  <device xmlns="http://schemas.microsoft.com/2006/09/sip/device" endpointId="4233FD41-093B-5FD6-B5D2-651ED55969E6">
    <capabilities preferred="false" uri="sip:ann@ex.test">
      <text capture="true" render="true" publish="false"/>
      <voice capture="true" render="true" publish="false"/>
      <video capture="false" render="true" publish="false"/>
      <applicationSharing capture="true" render="true" publish="false"/>
    </capabilities>
    <timezone>00:00:00+01:00</timezone><machineName>PC07</machineName>
  </device>
</publication></publications></publish>"#;

const WRONG_DELTA: &str = r#"<Fault><Faultcode>Client.BadCall.WrongDelta</Faultcode><details><operation index="1" curVersion="7"/></details></Fault>"#;

const CAPABILITIES_ASKED: &str = r#"<request xmlns="urn:ietf:params:xml:ns:cccp" xmlns:mscp="http://schemas.microsoft.com/rtc/2005/08/cccpextensions" C3PVersion="1" to="sip:ann@ex.test;gruu;opaque=app:conf:focusfactory" from="sip:ann@ex.test" requestId="5"><getConferencingCapabilities/></request>"#;

const CAPABILITIES: &str = r#"<response requestId="5" C3PVersion="1" code="success"><getConferencingCapabilities><mcu-types><mcuType>chat</mcuType><mcuType>audio-video</mcuType><mcuType>meeting</mcuType></mcu-types><pstn-bridging><access-numbers internalURL="https://in.ex.test/" externalURL="https://out.ex.test/"><region name="North"/><region name="South"/><default-region>North</default-region></access-numbers></pstn-bridging></getConferencingCapabilities></response>"#;

const ADD: &str = r#"<request C3PVersion="1" requestId="6"><addConference xmlns="urn:ietf:params:xml:ns:cccp">
  <ci:conference-info xmlns:ci="urn:ietf:params:xml:ns:conference-info" xmlns:msci="http://schemas.microsoft.com/rtc/2005/08/confinfoextensions" entity="" static="true">
    <ci:conference-description><ci:subject/><msci:conference-id>2N70ABCD</msci:conference-id><msci:expiry-time>2030-07-13T17:57:09Z</msci:expiry-time><msci:admission-policy>openAuthenticated</msci:admission-policy></ci:conference-description>
    <msci:conference-view><msci:entity-view entity="chat"/><msci:entity-view entity="audio-video"/></msci:conference-view>
  </ci:conference-info>
</addConference></request>"#;

const ADDED: &str = r#"<response requestId="6" C3PVersion="1" code="success"><addConference><ci:conference-info entity="sip:ann@ex.test;gruu;opaque=app:conf:focus:id:2N70B8SH" state="partial" version="1"><msci:pstn-access><msci:id>29905</msci:id></msci:pstn-access></ci:conference-info></addConference></response>"#;

const KEY_ASKED: &str = r#"<request C3PVersion="1" requestId="7"><getConference><conferenceKeys msci:conference-id="2N70ABCD"/><msci:encryption-key><msci:x509-certificate>AAEC
Aw==</msci:x509-certificate></msci:encryption-key></getConference></request>"#;

const RELAY_ASKED: &str = r#"<request requestID="1" version="1.0" xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp"><credentialsRequest credentialsRequestID="1"><identity>sip:ann@ex.test</identity><location>internet</location><duration>480</duration></credentialsRequest></request>"#;

const RELAY: &str = r#"<?xml version="1.0"?><response requestID="1" version="1.0" serverVersion="2.0" reasonPhrase="OK"><credentialsResponse credentialsRequestID="1"><credentials><username>UsErNaMe77</username><password>PaSsWoRd77</password><duration>480</duration></credentials><mediaRelayList><mediaRelay><location>internet</location><hostName>av.ex.test</hostName><udpPort>3478</udpPort><tcpPort>443</tcpPort></mediaRelay></mediaRelayList></credentialsResponse></response>"#;

const BATCH: &str = r#"<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="sip:ann@ex.test" name=""><action name="subscribe" id="63792024"><adhocList><resource uri="sip:bob@ex.test"/><resource uri="sip:eve@ex.test"/></adhocList><categoryList xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist"><category name="note"/><category name="state"/></categoryList></action></batchSub>"#;

const PARTS: &str = "--Xy\r\nContent-Transfer-Encoding: binary\r\nContent-ID: l\r\nContent-Type: application/rlmi+xml\r\n\r\n<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"sip:ann@ex.test\" version=\"0\" fullState=\"false\"><resource uri=\"sip:bob@ex.test\"><instance id=\"0\" state=\"active\" cid=\"b\"/></resource><resource uri=\"sip:eve@ex.test\"><instance id=\"0\" state=\"pending\"/></resource></list>\r\n--Xy\r\nContent-ID: b\r\nContent-Type: application/msrtc-event-categories+xml\r\n\r\n<categories uri=\"sip:bob@ex.test\"><category name=\"state\" instance=\"1\" container=\"0\" version=\"1\"><state xsi:type=\"aggregateState\"><availability>9500</availability></state></category></categories>\r\n--Xy--\r\n";

const HOME: &str = r#"<AutodiscoverResponse AccessLocation="External"><User>
 <SipServerInternalAccess fqdn="reserved.ex.test" port="5061"/>
 <SipClientInternalAccess fqdn=" pool01.ex.test " port="5061"/>
 <SipClientExternalAccess fqdn="sip.ex.test" port=" 443"/>
 <Link token="Ucwa" href="https://webext.ex.test/ucwa/v1/applications"/>
 <Link token="User" href="https://webext.ex.test/user"/>
</User></AutodiscoverResponse>"#;

const TICKET_ASKED: &str = r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><wst:RequestSecurityToken Context="g"><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>https://web.ex.test/CertProv/CertProvisioningService.svc</wsa:Address></wsa:EndpointReference></wsp:AppliesTo><wst:Claims Dialect="d"><auth:ClaimType Uri="u"><auth:Value>sip:ann@ex.test</auth:Value></auth:ClaimType></wst:Claims><wst:Entropy><wst:BinarySecret>SeCrEtPrOoF</wst:BinarySecret></wst:Entropy></wst:RequestSecurityToken></soap:Body></soap:Envelope>"#;

const TICKET: &str = r#"<s:Envelope><s:Body><RequestSecurityTokenResponseCollection><RequestSecurityTokenResponse><RequestedSecurityToken><saml:Assertion Issuer="https://web.ex.test/"><saml:Conditions NotBefore="2030-01-01T00:00:00Z" NotOnOrAfter="2030-01-01T08:00:00Z"/><saml:Subject><saml:NameIdentifier>sip:ann@ex.test</saml:NameIdentifier></saml:Subject><SignatureValue>SeCrEtPrOoF</SignatureValue></saml:Assertion></RequestedSecurityToken><Entropy><BinarySecret>SeCrEtPrOoF</BinarySecret></Entropy></RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection></s:Body></s:Envelope>"#;

const CERTIFICATE_ASKED: &str = r#"<s:Envelope><s:Header><saml:Conditions NotOnOrAfter="2030-01-01T08:00:00Z"/></s:Header><s:Body><GetAndPublishCert xmlns="http://schemas.microsoft.com/OCS/AuthWebServices/" DeviceId="{4233FD41-093B-5FD6-B5D2-651ED55969E6}" Entity="ann@ex.test"><wst:RequestSecurityToken><wsse:BinarySecurityToken>MIIC</wsse:BinarySecurityToken></wst:RequestSecurityToken></GetAndPublishCert></s:Body></s:Envelope>"#;

const SERVICE_FAULT: &str = r#"<s:Envelope><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring xml:lang="en-US">Not allowed.</faultstring><detail><OCSDiagnosticsFault xmlns="urn:component:Microsoft.Rtc.WebAuthentication.2010"><Ms-Diagnostics-Fault><ErrorId>28020</ErrorId><Reason>No valid security token.</Reason></Ms-Diagnostics-Fault></OCSDiagnosticsFault></detail></s:Fault></s:Body></s:Envelope>"#;

const WSDL: &str = r#"<wsdl:definitions name="WebTicketService"><wsdl:portType name="p"/><wsdl:service name="WebTicketService"><wsdl:port name="WebTicketServiceWinNegotiate"><soap:address location="https://web.ex.test/WebTicket/WebTicketService.svc/Auth"/></wsdl:port></wsdl:service></wsdl:definitions>"#;

/// Reads a body, compares its sentence and those facts that are given.
#[track_caller]
fn check(content_type: &str, body: impl AsRef<[u8]>, words: &str, expected: &[(&str, &str)]) {
    let body = body.as_ref();
    let reading = read(content_type, body).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(body)));
    assert_eq!(sentence(&reading.body), words);
    let facts = facts(&reading.body);
    for (name, value) in expected {
        let found = facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(found, Some(*value), "{name} of {facts:?}");
    }
}

#[test]
fn contact_lists() {
    check(
        CONTACTS,
        CONTACT_LIST,
        "The server says that the contact list holds 2 groups (~, Pinned Contacts) and 1 contact.",
        &[("groups", "2"), ("group_names", "~, Pinned Contacts"), ("contacts", "1"), ("version", "3")],
    );
    check(
        CONTACTS,
        "<contactList deltaNum=\"1\"><group id=\"1\" name=\"~\"/><group id=\"2\" name=\"Pinned Contacts\"/></contactList>",
        "The server says that the contact list holds 2 groups (~, Pinned Contacts) and no contacts.",
        &[("contacts", "0")],
    );
    check(
        CONTACTS,
        "<contactList ucsmode='Migrated'/>",
        "The contact list is kept in Exchange; what the server has of it, no groups and no contacts, may be old.",
        &[("contact_list_in", "Exchange")],
    );
    check(
        CONTACTS,
        CONTACT_DELTA,
        "The server tells 2 changes to the contact list (added contact eve@ex.test, deleted group 2).",
        &[("version", "4"), ("previous_version", "3")],
    );
    let Body::ContactList(list) = read("text/xml", CONTACT_LIST.as_bytes()).unwrap().body else { panic!() };
    assert_eq!(list.groups.iter().map(|group| group.contacts).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn settings() {
    check(
        PROVISIONING,
        GROUPS_ASKED,
        "The client asks for 3 groups of settings (ServerConfiguration, meetingPolicy, ucPolicy).",
        &[("groups_asked", "ServerConfiguration, meetingPolicy, ucPolicy")],
    );
    check(
        PROVISIONING,
        SETTINGS,
        "The server gives 5 settings in 3 groups (ServerConfiguration, endpointConfiguration, publicationGrammar); \
         conferences are made at sip:ann@ex.test;gruu;opaque=app:conf:focusfactory; credentials for the A/V Edge are \
         asked at sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc.",
        &[
            ("groups_received", "ServerConfiguration, endpointConfiguration, publicationGrammar"),
            ("values_received", "5"),
            ("focus_factory", "sip:ann@ex.test;gruu;opaque=app:conf:focusfactory"),
            ("media_relay", "sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc"),
            ("address_book_internal", "https://webint.ex.test/abs/handler"),
        ],
    );
    let Body::Provisioning(settings) = read("", SETTINGS.as_bytes()).unwrap().body else { panic!() };
    assert_eq!(settings.value("showrecentcontacts"), Some("true"));
    assert_eq!(settings.value("consoleDownloadInternalUrl"), None);
    assert_eq!(settings.value("publicationGrammar"), Some("name=g0"));
}

#[test]
fn own_data() {
    check(
        SELF,
        r#"<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"><roaming type="categories"/><roaming type="subscribers"/></roamingList>"#,
        "The client asks to be told of the user's own categories, subscribers, and of their changes.",
        &[("asked", "categories, subscribers")],
    );
    check(
        SELF,
        ROAMING,
        "The server tells the user's own data: 4 categories (state ×2, userProperties, note), 2 containers, \
         2 subscribers (1 new), no delegates; the user is busy (on-the-phone); 2 clients are signed in.",
        &[
            ("categories", "4"),
            ("category_names", "state ×2, userProperties, note"),
            ("categories_by_container", "1 self: 1, 2 state: 1, 200 company: 1, 32000 blocked: 1"),
            ("availability", "busy (on-the-phone)"),
            ("containers", "300 workgroup (sameEnterprise), 400 personal (user bob@ex.test)"),
            ("subscribers", "2"),
            ("subscriber_names", "bob@ex.test, eve@ex.test"),
            ("subscribers_waiting", "1"),
            ("delegates", "0"),
            ("endpoints", "2"),
        ],
    );
    let change = r#"<roamingData><categories><category name="state" instance="1" container="3" version="4"><state type="userState" manual="true"><availability>18500</availability></state></category></categories></roamingData>"#;
    check(
        SELF,
        change,
        "The server tells of the user's own user state: offline (container 3 state, version 4).",
        &[("availability", "offline")],
    );
    let Body::RoamingData(data) = read(SELF, ROAMING.as_bytes()).unwrap().body else { panic!() };
    let category::Detail::State(state) = &data.categories[0].detail else { panic!() };
    assert_eq!((state.kind.as_deref(), state.availability), (Some("aggregateState"), Some(6500)));
    assert_eq!(state.last_active.as_deref(), Some("2030-01-02T03:00:00"));
    assert_eq!(data.categories[0].expire_type.as_deref(), Some("endpoint"));
    let category::Detail::UserProperties { lines, .. } = &data.categories[2].detail else { panic!() };
    assert_eq!(lines, &["tel:+1"]);
}

#[test]
fn publishing() {
    check(
        PUBLISH,
        PUBLICATION,
        "The client publishes its machine state \"available\", that its note is gone.",
        &[
            ("categories", "3"),
            ("category_names", "state ×2, note"),
            ("state_types", "machineState ×2"),
            ("availability", "available"),
            ("taken_back", "1"),
        ],
    );
    check(
        PUBLISH,
        DEVICE,
        "The client publishes its device PC07 (text, voice, applicationSharing).",
        &[
            ("modalities", "text, voice, applicationSharing"),
            ("machine_name", "PC07"),
            ("endpoint", "4233FD41-093B-5FD6-B5D2-651ED55969E6"),
        ],
    );
    check(
        "application/msrtc-fault+xml",
        WRONG_DELTA,
        "The server has a newer version of 1 publication (Client.BadCall.WrongDelta): another client was quicker, this \
         one repeats it with that version, which is harmless.",
        &[("fault", "Client.BadCall.WrongDelta"), ("operations", "publication 1 is at version 7")],
    );
    check(
        "application/msrtc-presence-setsubscriber+xml",
        r#"<setSubscribers><subscriber user="bob@ex.test" acknowledged="true"/></setSubscribers>"#,
        "The client takes note of 1 subscriber (bob@ex.test).",
        &[("subscribers", "1"), ("subscriber_names", "bob@ex.test")],
    );
}

#[test]
fn conferences() {
    check(CCCP, CAPABILITIES_ASKED, "The client asks what conferencing offers.", &[("request_id", "5")]);
    check(
        CCCP,
        CAPABILITIES,
        "Conferencing has 3 kinds of MCU (chat, audio-video, meeting), for instant messages, audio and video, \
         whiteboard, polls and files; 2 regions with dial-in numbers (North, South).",
        &[
            ("operation", "getConferencingCapabilities"),
            ("code", "success"),
            ("mcus", "chat, audio-video, meeting"),
            ("dial_in_regions", "North, South"),
            ("default_region", "North"),
            ("dial_in_page_external", "https://out.ex.test/"),
        ],
    );
    check(
        CCCP,
        r#"<request requestId="5"><getConferences static="true"/></request>"#,
        "The client asks for the user's own (static) conferences.",
        &[("static", "yes")],
    );
    check(
        CCCP,
        r#"<response requestId="5" code="success"><getConferences></getConferences></response>"#,
        "The server lists no conferences: none is there yet.",
        &[("conferences", "0")],
    );
    check(
        CCCP,
        r#"<response code="success"><getConferences><conference-info entity="sip:a;opaque=app:conf:focus:id:AB1"/><conference-info/></getConferences></response>"#,
        "The server lists 2 conferences (AB1).",
        &[("conferences", "2"), ("conference_ids", "AB1")],
    );
    check(
        CCCP,
        ADD,
        "The client asks for the user's own (static) conference 2N70ABCD to be made.",
        &[
            ("conference_id", "2N70ABCD"),
            ("media", "chat, audio-video"),
            ("static", "yes"),
            ("admission", "openAuthenticated"),
            ("expires", "2030-07-13T17:57:09Z"),
        ],
    );
    check(
        CCCP,
        ADDED,
        "The conference 2N70B8SH was created; its state is partial, which is normal, and its dial-in id is 29905.",
        &[
            ("conference_id", "2N70B8SH"),
            ("conference_state", "partial"),
            ("dial_in_id", "29905"),
            ("conference_version", "1"),
        ],
    );
    check(
        CCCP,
        KEY_ASKED,
        "The client asks for the conference 2N70ABCD and passes a certificate for which its secrets are to be encrypted.",
        &[("conference_id", "2N70ABCD"), ("certificate", "4 bytes")],
    );
    check(
        CCCP,
        r#"<response code="failure"><addConference reasonCode="conferenceLimit"/></response>"#,
        "The server could not do addConference: conferenceLimit.",
        &[("fault", "conferenceLimit"), ("code", "failure")],
    );
}

#[test]
fn relays_and_dial_plans() {
    check(
        MRAS,
        RELAY_ASKED,
        "The client asks for credentials for the A/V Edge, from the internet.",
        &[("minutes", "480")],
    );
    check(
        MRAS,
        RELAY,
        "The server gives credentials for av.ex.test udp 3478 tcp 443, good for 480 minutes.",
        &[("relays", "av.ex.test udp 3478 tcp 443"), ("location", "internet")],
    );
    check(
        MRAS,
        "<response reasonPhrase='Request Malformed'/>",
        "The server gives no credentials for the A/V Edge: Request Malformed.",
        &[],
    );
    check(
        "application/ms-location-profile-definition+xml",
        "<LocationProfileDescription><Name>Berlin.ex.test</Name><Rules><Rule><Pattern>a</Pattern></Rule><Rule/></Rules><ExternalAccessPrefix>0</ExternalAccessPrefix></LocationProfileDescription>",
        "The user's dial plan Berlin.ex.test has 2 rules for numbers; 0 is dialled for a line out.",
        &[("dial_plan", "Berlin.ex.test"), ("rules", "2"), ("external_access_prefix", "0")],
    );
}

#[test]
fn ends_of_registrations() {
    let table = [
        ("deregistered;event=rejected", "The server ends the registration (rejected): the user is disabled."),
        (
            "deregistered; event=\"unregistered\"\r\n",
            "The server ends the registration (unregistered): the user signed in elsewhere or signed out.",
        ),
        (
            "deregistered;event=deactivated",
            "The server ends the registration (deactivated): the user was moved to another pool.",
        ),
        ("terminated", "The server ends the registration (terminated)."),
    ];
    for (body, words) in table {
        check("text/registration-event", body, words, &[]);
    }
}

#[test]
fn presence_of_others() {
    check(
        "application/msrtc-adrl-categorylist+xml",
        BATCH,
        "The client asks for the presence of 2 contacts (note, state).",
        &[("contacts", "2"), ("contact_names", "sip:bob@ex.test, sip:eve@ex.test")],
    );
    check(
        "multipart/related;type=\"application/rlmi+xml\";start=resourceList;boundary=Xy",
        PARTS,
        "The server tells of the presence of 2 contacts: do not disturb.",
        &[("contacts", "2"), ("availability", "do not disturb"), ("subscriptions", "active, pending")],
    );
    check(
        "application/msrtc-event-categories+xml",
        "<categories uri='sip:bob@ex.test'><category name='note'/></categories>",
        "The server tells of the presence of 1 contact.",
        &[("category_names", "note")],
    );
}

#[test]
fn autodiscovery() {
    check(
        AUTODISCOVER,
        HOME,
        "Autodiscover sees the client as External and gives it sip.ex.test:443 as SIP server.",
        &[
            ("access_location", "External"),
            ("sip_server", "sip.ex.test:443"),
            ("sip_server_internal", "pool01.ex.test:5061"),
            ("links", "Ucwa, User"),
            ("user_url", "https://webext.ex.test/user"),
        ],
    );
    let redirect = r#"<AutodiscoverResponse><Root><Link token="Redirect" href="https://lync.ex.test/root"/></Root></AutodiscoverResponse>"#;
    let words = "Autodiscover sends the client to https://lync.ex.test/root.";
    check("text/xml", redirect, words, &[("redirect", "https://lync.ex.test/root")]);
    check(
        "application/json",
        r#"{"_links":{"self":{"href":"https://a/"},"user":{"href":"https://b/"},"xframe":{"href":"https://c/"}}}"#,
        "Autodiscover gives links (self, user, xframe).",
        &[("user_url", "https://b/")],
    );
    let home = r#"{"AccessLocation":"Internal","User":{"SipClientInternalAccess":{"fqdn":" pool01.ex.test","port":"5061"},"Links":[{"token":"Ucwa","href":"https://u/"},{"token":"Self","href":"https://s/"}]}}"#;
    let words = "Autodiscover sees the client as Internal and gives it pool01.ex.test:5061 as SIP server.";
    check(
        "application/json; charset=utf-8",
        home,
        words,
        &[("links", "Ucwa, Self"), ("sip_server", "pool01.ex.test:5061")],
    );
    check("", &home[..home.len() - 30], words, &[("links", "Ucwa")]);
    assert_eq!(read("application/json", b"{\"unrelated\":1}"), None);
}

#[test]
fn web_services() {
    check(
        "text/xml; charset=utf-8",
        TICKET_ASKED,
        "The client asks for a web ticket for sip:ann@ex.test, to use https://web.ex.test/CertProv/CertProvisioningService.svc.",
        &[("user", "sip:ann@ex.test"), ("applies_to", "https://web.ex.test/CertProv/CertProvisioningService.svc")],
    );
    check(
        "text/xml",
        TICKET,
        "The server gives a web ticket for sip:ann@ex.test, good until 2030-01-01T08:00:00Z.",
        &[
            ("valid_from", "2030-01-01T00:00:00Z"),
            ("valid_until", "2030-01-01T08:00:00Z"),
            ("issuer", "https://web.ex.test/"),
        ],
    );
    check(
        "text/xml",
        CERTIFICATE_ASKED,
        "The client asks for a certificate for ann@ex.test, with which it can sign in later.",
        &[
            ("user", "ann@ex.test"),
            ("endpoint", "{4233FD41-093B-5FD6-B5D2-651ED55969E6}"),
            ("ticket_until", "2030-01-01T08:00:00Z"),
        ],
    );
    check(
        "application/soap+xml",
        SERVICE_FAULT,
        "The service refuses: Client: Not allowed.: No valid security token, error 28020.",
        &[
            ("fault", "Not allowed."),
            ("fault_code", "Client"),
            ("error_id", "28020"),
            ("reason", "No valid security token."),
        ],
    );
    check(
        "application/soap+xml",
        "<e:Envelope><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code><e:Reason><e:Text>No.</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>",
        "The service refuses: Sender: No.",
        &[("fault", "No."), ("fault_code", "Sender")],
    );
    let words = "WebTicketService says by which ways it can be used: WebTicketServiceWinNegotiate.";
    check("text/xml", WSDL, words, &[("service", "WebTicketService")]);
    let mex =
        format!("<Envelope><Body><Metadata><MetadataSection>{WSDL}</MetadataSection></Metadata></Body></Envelope>");
    check("application/soap+xml", mex, words, &[("ports", "WebTicketServiceWinNegotiate")]);
    check("text/xml", "<Envelope><Body><ResolveRequest/></Body></Envelope>", "A SOAP message: ResolveRequest.", &[]);
}

#[test]
fn a_certificate_can_be_read() {
    let pem = include_str!("../../../captures/lab-ca.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let body = format!(
        "<Envelope><Body><GetAndPublishCertResponse Entity=\"ann@ex.test\"><BinarySecurityToken>{base64}</BinarySecurityToken></GetAndPublishCertResponse></Body></Envelope>"
    );
    let Body::IssuedCertificate(issued) = read("text/xml", body.as_bytes()).unwrap().body else { panic!() };
    let read = crate::wire::certificate::parse(&issued.der.unwrap()).unwrap();
    assert!(read.subject.contains("UC Sandbox Lab CA"), "{}", read.subject);
}

#[test]
fn types_that_say_nothing_or_lie() {
    let kind = |content_type, body: &str| read(content_type, body.as_bytes()).map(|reading| reading.body.kind());
    assert_eq!(kind("", CAPABILITIES), Some("conference-response"));
    assert_eq!(kind("application/xml", RELAY), Some("media-relay"));
    assert_eq!(kind("text/xml", RELAY_ASKED), Some("media-relay-request"));
    assert_eq!(kind(CONTACTS, ROAMING), Some("self-data"));
    assert_eq!(kind("text/plain", WRONG_DELTA), Some("publish-fault"));
    assert_eq!(kind("application/sdp", ROAMING), None);
    assert_eq!(kind("text/html", "<html/>"), None);
    assert_eq!(kind("text/xml", "<html/>"), None);
    assert_eq!(kind(CONTACTS, ""), None);
}

#[test]
fn damage_leaves_what_is_good() {
    let cut = &CONTACT_LIST[..CONTACT_LIST.find("<contact ").unwrap() + 20];
    check(
        CONTACTS,
        cut,
        "The server says that the contact list holds 2 groups (~, Pinned Contacts) and no contacts.",
        &[],
    );
    assert!(!read(CONTACTS, cut.as_bytes()).unwrap().defects.is_empty());
    let latin = b"<p:contactList><p:group id='1' name='B\xfcro'></p:contactList><contact groups='1'/>";
    check(CONTACTS, latin, "The server says that the contact list holds 1 group (Büro) and 1 contact.", &[]);
    // Without the end of a category the next one is in it, and is still told.
    let unclosed = ROAMING.replacen("</category>", "", 1);
    let Body::RoamingData(data) = read(SELF, unclosed.as_bytes()).unwrap().body else { panic!() };
    assert_eq!(data.categories.len(), 4);
    let unclosed = SETTINGS.replacen("</provisionGroup>", "", 1);
    check(
        PROVISIONING,
        unclosed,
        "The server gives 5 settings in 3 groups (ServerConfiguration, endpointConfiguration, publicationGrammar); \
         conferences are made at sip:ann@ex.test;gruu;opaque=app:conf:focusfactory; credentials for the A/V Edge are \
         asked at sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc.",
        &[],
    );
    let deep = format!("<roamingData>{}", "<category name='state'><state>".repeat(100_000));
    let reading = read(SELF, deep.as_bytes()).unwrap();
    assert!(!reading.defects.is_empty() && sentence(&reading.body).len() < 1000);
}

#[test]
fn secrets_are_not_kept() {
    for (content_type, body) in [(MRAS, RELAY), ("text/xml", TICKET), ("text/xml", TICKET_ASKED)] {
        let reading = read(content_type, body.as_bytes()).unwrap();
        let lines = lay_out(Document::parse(body).root().unwrap());
        let told = format!("{reading:?} {lines:?} {:?} {}", facts(&reading.body), sentence(&reading.body));
        for secret in ["UsErNaMe77", "PaSsWoRd77", "SeCrEtPrOoF"] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }
}

#[test]
fn changes_from_one_to_the_next() {
    let note = |versions: &mut CategoryVersions, body: &str| {
        let Body::RoamingData(data) = read(SELF, body.as_bytes()).unwrap().body else { panic!() };
        versions.note(&data)
    };
    let state = |version: u32, availability: u32| {
        format!(
            "<roamingData><category name='state' instance='1' container='2' version='{version}'><state type='aggregateState'><availability>{availability}</availability></state></category></roamingData>"
        )
    };
    let mut versions = CategoryVersions::default();
    assert_eq!(note(&mut versions, ROAMING), [""; 0]);
    assert_eq!(versions.len(), 4);
    assert_eq!(
        note(&mut versions, &state(3, 3500)),
        ["changed: aggregate state 1 in container 2 state, version 1 to 3: busy (on-the-phone), now available"]
    );
    assert_eq!(note(&mut versions, &state(3, 3500)), [""; 0]);
    assert_eq!(
        note(&mut versions, &state(4, 3500)),
        ["changed: aggregate state 1 in container 2 state, version 3 to 4: available"]
    );
    let device = "<roamingData><category name='device' instance='77' container='2' version='1'><device/></category></roamingData>";
    assert_eq!(note(&mut versions, device), ["added: device 77 in container 2 state, version 1"]);
    assert_eq!(note(&mut versions, "<roamingData><category name='device'/></roamingData>"), ["removed: device"]);
    assert_eq!(note(&mut versions, "<roamingData><category name='device'/></roamingData>"), [""; 0]);
    let gone = "<roamingData><category name='userProperties' instance='0' container='1' version='3' expires='0'/></roamingData>";
    assert_eq!(note(&mut versions, gone), ["removed: userProperties in container 1 self"]);
    assert_eq!(versions.len(), 3);
    let device = |instance| format!("<category name='n' instance='{instance}' container='2' version='1'/>");
    let many = (0..versions::MAX_KNOWN + 100).map(device).collect::<Vec<_>>().concat();
    let told = note(&mut versions, &format!("<roamingData>{many}</roamingData>"));
    assert_eq!((told.len(), versions.len()), (versions::MAX_TOLD, versions::MAX_KNOWN));
}

#[test]
fn any_bytes() {
    let samples = [
        (CONTACTS, CONTACT_LIST),
        (CONTACTS, CONTACT_DELTA),
        (PROVISIONING, GROUPS_ASKED),
        (PROVISIONING, SETTINGS),
        (SELF, ROAMING),
        (PUBLISH, PUBLICATION),
        (PUBLISH, DEVICE),
        ("application/msrtc-fault+xml", WRONG_DELTA),
        (CCCP, CAPABILITIES),
        (CCCP, ADD),
        (CCCP, ADDED),
        (CCCP, KEY_ASKED),
        (MRAS, RELAY_ASKED),
        (MRAS, RELAY),
        ("application/msrtc-adrl-categorylist+xml", BATCH),
        ("multipart/related;boundary=Xy", PARTS),
        (AUTODISCOVER, HOME),
        (
            "application/json",
            r#"{"a":[{"token":"User","href":"x\"y"},{"fqdn":"a","port":5}],"AccessLocation":"Internal"}"#,
        ),
        ("text/xml", TICKET),
        ("text/xml", CERTIFICATE_ASKED),
        ("text/xml", SERVICE_FAULT),
        ("text/xml", WSDL),
        ("text/registration-event", "deregistered;event=rejected"),
    ];
    for (content_type, sample) in samples {
        let sample = sample.as_bytes();
        (0..=sample.len()).step_by(3).for_each(|end| fuzz_as(content_type, &sample[..end]));
        for at in (0..sample.len()).step_by(5) {
            for flip in [0x01, 0x80] {
                let mut bytes = sample.to_vec();
                bytes[at] ^= flip;
                fuzz_as(content_type, &bytes);
            }
        }
        fuzz(sample);
    }
}
