"""The requests that follow a registration, and their healthy answers (section 5 of the protocol sheet).

Each method gives a request (start line, headers, body) and its answer (status, reason, headers, body).
"""

SCHEMAS = "http://schemas.microsoft.com/2006/09/sip"
CCCP = (
    'xmlns="urn:ietf:params:xml:ns:cccp" xmlns:ci="urn:ietf:params:xml:ns:conference-info" '
    'xmlns:msci="http://schemas.microsoft.com/rtc/2005/08/confinfoextensions" C3PVersion="1"'
)
MRAS = "sip:mras.ex.test@ex.test;gruu;opaque=srvr:MRAS:abc"
EVERYTHING = ["profile", "contacts", "provisioning", "self", "capabilities", "publish", "device"]


class Service:
    """The requests of one client."""

    def __init__(self, client, rng):
        self.client, self.rng, self.uri = client, rng, client.uri
        self.focus = f"{self.uri};gruu;opaque=app:conf:focusfactory"
        self.conference = f"{self.uri};gruu;opaque=app:conf:focus:id:2N70ABCD"

    def subscription(self, event, kind, answer, body="", more=(), body_kind=None):
        """SUBSCRIBE whose answer carries the first notification."""
        content = [("Content-Type", body_kind or kind)] if body else []
        headers = [
            ("Event", event),
            ("Accept", kind),
            ("Supported", "com.microsoft.autoextend"),
            ("Supported", "ms-benotify"),
            ("Proxy-Require", "ms-benotify"),
            ("Supported", "ms-piggyback-first-notify"),
        ]
        first = [
            ("Expires", "36000"),
            ("Event", event),
            ("subscription-state", "active;expires=36000"),
            ("ms-piggyback-cseq", "1"),
            ("Supported", "ms-benotify, ms-piggyback-first-notify"),
            ("Content-Type", kind),
        ]
        return (f"SUBSCRIBE {self.uri} SIP/2.0", [*headers, *more, *content], body), (200, "OK", first, answer)

    def cccp(self, child, answer):
        """A command to the focus factory."""
        number = self.rng.randrange(1000, 9_999_999)
        ask = f'<request {CCCP} to="{self.focus}" from="{self.uri}" requestId="{number}">{child}</request>'
        reply = (
            f'<response {CCCP} from="{self.focus}" to="{self.uri}" requestId="{number}" code="success">'
            f"{answer}</response>"
        )
        kind = [("Content-Type", "application/cccp+xml")]
        return (f"SERVICE {self.focus} SIP/2.0", [*kind, ("Supported", "ms-sender")], ask), (200, "OK", kind, reply)

    def publication(self, body, answer):
        ask = f'<publish xmlns="{SCHEMAS}/rich-presence"><publications uri="{self.uri}">{body}</publications></publish>'
        roaming = (
            f'<roamingData xmlns="{SCHEMAS}/roaming-self"><categories xmlns="{SCHEMAS}/categories" uri="{self.uri}">'
            f"{answer}</categories></roamingData>"
        )
        return (
            (f"SERVICE {self.uri} SIP/2.0", [("Content-Type", "application/msrtc-category-publish+xml")], ask),
            (200, "OK", [("Content-Type", "application/vnd-microsoft-roaming-self+xml")], roaming),
        )

    def profile(self):
        reason = '14012;reason="User is not enabled for enterprise voice";source="pool01.ex.test"'
        target = f"{self.uri};gruu;opaque=app:locationprofile:get;default"
        return (
            (f"SERVICE {target} SIP/2.0", [("Accept", "application/ms-location-profile-definition+xml")], ""),
            (403, "Forbidden", [("ms-diagnostics", reason)], ""),
        )

    def contacts(self):
        answer = (
            '<contactList deltaNum="3"><group id="1" name="~" externalURI=""/>'
            '<contact uri="bob@ex.test" name="" groups="1 " subscribed="true" externalURI=""/></contactList>'
        )
        event = "vnd-microsoft-roaming-contacts"
        return self.subscription(event, f"application/{event}+xml", answer)

    def provisioning(self):
        names = ("ServerConfiguration", "endpointConfiguration", "ucPolicy")
        groups = "".join(f'<provisioningGroup name="{name}"/>' for name in names)
        body = f'<provisioningGroupList xmlns="{SCHEMAS}/provisioninggrouplist">{groups}</provisioningGroupList>'
        answer = (
            '<provisionGroupList><provisionGroup name="ServerConfiguration">'
            f"<focusFactoryUri>{self.focus}</focusFactoryUri>"
            "<absInternalServerUrl>https://webint.ex.test/abs/handler</absInternalServerUrl>"
            f"<mrasUri>{MRAS}</mrasUri></provisionGroup></provisionGroupList>"
        )
        kind = "application/vnd-microsoft-roaming-provisioning-v2+xml"
        return self.subscription("vnd-microsoft-provisioning-v2", kind, answer, body)

    def self(self):
        kinds = ("categories", "containers", "subscribers", "delegates")
        wanted = "".join(f'<roaming type="{kind}"/>' for kind in kinds)
        body = f'<roamingList xmlns="{SCHEMAS}/roaming-self">{wanted}</roamingList>'
        answer = (
            f'<roamingData xmlns="{SCHEMAS}/roaming-self"><categories xmlns="{SCHEMAS}/categories" uri="{self.uri}">'
            '<category name="note" instance="0" publishTime="2026-11-20T08:00:00.000" container="300" version="1" '
            'expireType="static"/></categories><containers><container id="300" version="0">'
            '<member type="sameEnterprise"/></container></containers><subscribers/>'
            '<delegates version="0"/></roamingData>'
        )
        event = "vnd-microsoft-roaming-self"
        return self.subscription(event, f"application/{event}+xml", answer, body)

    def acl(self):
        kind = "application/vnd-microsoft-roaming-acls+xml"
        return self.subscription("vnd-microsoft-roaming-ACL", kind, '<ACLlist deltaNum="1"/>')

    def capabilities(self):
        kinds = "<mcuType>chat</mcuType><mcuType>audio-video</mcuType>"
        answer = f"<getConferencingCapabilities><mcu-types>{kinds}</mcu-types></getConferencingCapabilities>"
        return self.cccp("<getConferencingCapabilities/>", answer)

    def conferences(self):
        return self.cccp('<getConferences static="true"/>', "<getConferences/>")

    def conference_info(self, state):
        return f'<ci:conference-info entity="{self.conference}" state="{state}" version="1"/>'

    def add_conference(self):
        ask = (
            '<addConference><ci:conference-info entity="" static="true"><ci:conference-description><ci:subject/>'
            "<msci:conference-id>2N70ABCD</msci:conference-id></ci:conference-description></ci:conference-info>"
            "</addConference>"
        )
        return self.cccp(ask, f"<addConference>{self.conference_info('partial')}</addConference>")

    def conference_key(self):
        ask = '<getConference><conferenceKeys msci:conference-id="2N70ABCD"/></getConference>'
        return self.cccp(ask, f"<getConference>{self.conference_info('full')}</getConference>")

    def publish(self):
        """The state of the machine, in both containers."""
        version = self.client.publications
        self.client.publications += 1
        state = (
            f'<state xmlns="{SCHEMAS}/state" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" manual="false" '
            'xsi:type="machineState"><availability>3500</availability><endpointLocation/></state>'
        )
        boxes = (2, 3)
        ask = "".join(
            f'<publication categoryName="state" instance="926460663" container="{box}" version="{version}" '
            f'expireType="endpoint">{state}</publication>'
            for box in boxes
        )
        answer = "".join(self.category("state", 926460663, box, version + 1, state) for box in boxes)
        return self.publication(ask, answer)

    def category(self, name, number, box, version, content):
        return (
            f'<category name="{name}" instance="{number}" publishTime="2026-11-24T09:00:01.000" container="{box}" '
            f'version="{version}" expireType="endpoint" endpointId="{self.client.instance}">{content}</category>'
        )

    def device(self):
        device = (
            f'<device xmlns="{SCHEMAS}/device" endpointId="{self.client.instance}"><capabilities preferred="false" '
            f'uri="{self.uri}"><text capture="true" render="true" publish="false"/></capabilities>'
            f"<timezone>00:00:00+01:00</timezone><machineName>{self.client.machine}</machineName></device>"
        )
        ask = (
            '<publication categoryName="device" instance="1234567" container="2" version="0" expireType="endpoint">'
            f"{device}</publication>"
        )
        return self.publication(ask, self.category("device", 1234567, 2, 1, device))

    def buddies(self):
        body = (
            f'<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="{self.uri}" name="">'
            '<action name="subscribe" id="1"><adhocList><resource uri="sip:bob@ex.test"/></adhocList>'
            '<categoryList><category name="state"/></categoryList></action></batchSub>'
        )
        answer = f'<categories xmlns="{SCHEMAS}/categories" uri="sip:bob@ex.test"/>'
        more = [("Require", "adhoclist, categoryList")]
        kind, body_kind = "application/msrtc-event-categories+xml", "application/msrtc-adrl-categorylist+xml"
        return self.subscription("presence", kind, answer, body, more, body_kind)

    def relay(self):
        """Credentials for the A/V Edge."""
        kind = [("Content-Type", "application/msrtc-media-relay-auth+xml")]
        head = f'xmlns="{SCHEMAS}/mrasp" requestID="5" version="2.0"'
        ask = (
            f'<request {head} from="{self.uri}" to="{MRAS}"><credentialsRequest credentialsRequestID="1">'
            f"<identity>{self.uri}</identity><location>intranet</location><duration>480</duration>"
            "</credentialsRequest></request>"
        )
        return (f"SERVICE {MRAS} SIP/2.0", kind, ask), (200, "OK", kind, f'<response {head} reasonPhrase="OK"/>')
