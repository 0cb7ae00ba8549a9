//! XML bodies (XML 1.0), leniently: bytes in, a bounded tree of elements and what was wrong with them out.
//!
//! Names are local and compared without regard to case: a missing, wrong or unexpected namespace changes nothing. The
//! five predefined entities and character references are resolved, nothing else is, so no entity grows. Nothing is
//! fetched, and a document type is passed over.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::BytesStart;
use quick_xml::events::Event;
use quick_xml::events::attributes::Attributes;

use crate::model::Defect;

pub use crate::wire::xml_layout::Line;
pub use crate::wire::xml_layout::lay_out;

/// Deepest element that is kept. Lync's deepest bodies, SOAP with a signed token, nest some 15 deep.
pub const MAX_DEPTH: usize = 64;
/// Most elements and attributes of a document, so that a small body cannot take a hundred times its size. The
/// largest bodies, a contact list of 1,000 or the presence of as many, have about 20,000.
pub const MAX_NODES: usize = 1 << 16;
/// Most bytes that are read: as long a body as the decoders keep by default.
pub const MAX_BYTES: usize = 8 << 20;
/// Most defects that are told of one document.
pub const MAX_DEFECTS: usize = 16;
/// How often reading goes on behind damage: each time may look through all that is left.
const MAX_RESUMED: usize = 4;
/// Longest reference: `&#x10FFFF;` without its ampersand, with some zeros.
const MAX_REFERENCE: usize = 16;

/// Local name and value of an attribute.
pub type Attribute<'a> = (&'a str, Cow<'a, str>);

/// An element as it is kept: in the order of the document, so that all that is in it follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node<'a> {
    name: &'a str,
    /// Where its attributes begin among all, and how many it has.
    attributes: (usize, usize),
    /// What stands between children is joined.
    text: Cow<'a, str>,
    /// How many elements are in it.
    size: usize,
}

impl Node<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn trim(&mut self) {
        match &mut self.text {
            Cow::Borrowed(text) => *text = text.trim(),
            Cow::Owned(text) if text.trim().len() != text.len() => *text = text.trim().to_owned(),
            Cow::Owned(_) => {}
        }
    }
}

/// An element with local names; borrows from its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'d> {
    node: &'d Node<'d>,
    /// All that is in it, depth first.
    below: &'d [Node<'d>],
    /// Attributes of the document.
    attributes: &'d [Attribute<'d>],
}

impl<'d> Element<'d> {
    /// The first of `nodes` with what is in it, and what follows that.
    fn split(nodes: &'d [Node<'d>], attributes: &'d [Attribute<'d>]) -> Option<(Self, &'d [Node<'d>])> {
        let (node, rest) = nodes.split_first()?;
        let (below, after) = rest.split_at_checked(node.size).unwrap_or((rest, &[]));
        Some((Self { node, below, attributes }, after))
    }

    /// Local name.
    pub fn name(self) -> &'d str {
        self.node.name
    }

    /// Whether it has this name, in any case.
    pub fn is(self, name: &str) -> bool {
        self.node.is(name)
    }

    /// Local name and value of each attribute, in their order, without namespace declarations.
    pub fn attributes(self) -> &'d [Attribute<'d>] {
        let (first, count) = self.node.attributes;
        self.attributes.get(first..first + count).unwrap_or_default()
    }

    /// Value of the first attribute of that local name.
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.attributes().iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The elements directly in it.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        let mut rest = self.below;
        std::iter::from_fn(move || {
            let (element, after) = Self::split(rest, self.attributes)?;
            rest = after;
            Some(element)
        })
    }

    /// The first element of that name directly in it.
    pub fn child(self, name: &str) -> Option<Self> {
        self.elements().find(|child| child.is(name))
    }

    /// Every element of that name directly in it.
    pub fn children(self, name: &str) -> impl Iterator<Item = Self> {
        self.elements().filter(move |child| child.is(name))
    }

    /// It and everything in it, depth first, in the order of the document.
    pub fn all(self) -> impl Iterator<Item = Self> {
        let mut rest = self.below;
        let below = std::iter::from_fn(move || {
            let (element, _) = Self::split(rest, self.attributes)?;
            rest = rest.get(1..)?;
            Some(element)
        });
        std::iter::once(self).chain(below)
    }

    /// The first element of that name, itself included, depth first.
    pub fn find(self, name: &str) -> Option<Self> {
        self.all().find(|element| element.is(name))
    }

    /// Every element of that name, itself included, depth first.
    pub fn find_all(self, name: &str) -> impl Iterator<Item = Self> {
        self.all().filter(move |element| element.is(name))
    }

    /// Its own text without surrounding white space.
    pub fn text(self) -> &'d str {
        &self.node.text
    }

    /// Text of the first element of that name; `None` where there is none or it is empty.
    pub fn text_of(self, name: &str) -> Option<&'d str> {
        self.find_all(name).map(Self::text).find(|text| !text.is_empty())
    }
}

/// What could be read of a body; borrows from its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document<'a> {
    nodes: Vec<Node<'a>>,
    attributes: Vec<Attribute<'a>>,
    /// What is not as it should be.
    pub defects: Vec<Defect>,
}

impl<'a> Document<'a> {
    /// Reads the text of a body, as [`decode`] gives it.
    pub fn parse(text: &'a str) -> Self {
        let mut builder = Builder::with_room_for(text);
        let end = (0..=MAX_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        if end < text.len() {
            builder.defect(end, "longer than what is read");
        }
        let text = text.get(..end).unwrap_or(text);
        builder.read(text);
        builder.finish(text.len())
    }

    /// The first element. What follows it by damage is in it, as if it had not been closed.
    pub fn root(&self) -> Option<Element<'_>> {
        Element::split(&self.nodes, &self.attributes).map(|(root, _)| root)
    }
}

/// The text of a body: UTF-8 (a byte that is none counts as Latin-1) or UTF-16 with a byte order mark.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => decode_wide(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => decode_wide(rest, u16::from_be_bytes).into(),
        [0xef, 0xbb, 0xbf, rest @ ..] => decode_narrow(rest),
        _ => decode_narrow(bytes),
    }
}

fn decode_wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(unit);
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn decode_narrow(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(char::from));
    }
    text.into()
}

/// A document under way.
#[derive(Default)]
struct Builder<'a> {
    document: Document<'a>,
    /// Places of open elements, the root first.
    open: Vec<usize>,
    /// Open elements that are too deep to be kept.
    below: usize,
    /// Elements and attributes that are kept.
    kept: usize,
    /// Whether the bound on them was told.
    full: bool,
}

impl<'a> Builder<'a> {
    /// With room for as many elements and attributes as the text can have, so that the lists need not grow.
    fn with_room_for(text: &str) -> Self {
        let room = |sign| memchr::memchr_iter(sign, text.as_bytes()).count().min(MAX_NODES);
        let (nodes, attributes) = (Vec::with_capacity(room(b'<')), Vec::with_capacity(room(b'=')));
        Self { document: Document { nodes, attributes, defects: Vec::new() }, ..Self::default() }
    }

    fn defect(&mut self, offset: usize, what: impl Into<Cow<'static, str>>) {
        let defects = &mut self.document.defects;
        if defects.len() < MAX_DEFECTS {
            defects.push(Defect::new("XML", offset, what));
        }
    }

    /// Reads on behind damage, at the next markup, a few times.
    fn read(&mut self, text: &'a str) {
        let mut from = 0;
        for _ in 0..=MAX_RESUMED {
            let Some(rest) = text.get(from..) else { return };
            let Some(damage) = self.read_from(rest, from) else { return };
            let after = damage.max(from) + 1;
            let Some(next) = text.as_bytes().get(after..).and_then(|rest| memchr::memchr(b'<', rest)) else { return };
            from = after + next;
        }
    }

    /// Reads up to the end, or up to damage whose place it returns.
    fn read_from(&mut self, text: &'a str, base: usize) -> Option<usize> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        loop {
            let before = position(reader.buffer_position());
            match reader.read_event() {
                Ok(Event::Eof) => return None,
                Ok(event) => {
                    let read = text.get(..position(reader.buffer_position())).unwrap_or(text);
                    self.take(event, read, base + before);
                }
                Err(error) => {
                    let place = base + position(reader.error_position());
                    self.defect(place, error.to_string());
                    let goes_on = !matches!(error, Error::Syntax(_)) && position(reader.buffer_position()) > before;
                    if !goes_on {
                        return Some(place);
                    }
                }
            }
        }
    }

    /// Takes what stands at the end of `read`.
    fn take(&mut self, event: Event<'a>, read: &'a str, offset: usize) {
        match event {
            Event::Start(tag) => self.start(Tag::new(&tag, read, ">"), offset),
            Event::Empty(tag) => {
                self.start(Tag::new(&tag, read, "/>"), offset);
                self.end(None, offset);
            }
            Event::End(tag) => self.end(Some(local(tag.name().as_ref())), offset),
            Event::Text(text) => self.text(text.into_inner()),
            Event::CData(text) => self.text(text.into_inner()),
            Event::GeneralRef(name) => self.reference(&name.into_inner(), offset),
            Event::DocType(_) => self.defect(offset, "a document type, which no body needs"),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'a>, offset: usize) {
        let is_room = self.kept < MAX_NODES;
        if self.below > 0 || self.open.len() >= MAX_DEPTH || !is_room {
            if !self.full && (self.below == 0 || !is_room) {
                self.full = true;
                self.defect(offset, if is_room { "nested too deep" } else { "too many elements" });
            }
            self.below += 1;
            return;
        }
        self.kept += 1;
        let attributes = self.attributes(tag, offset);
        let place = self.document.nodes.len();
        if self.open.is_empty() && place > 0 {
            self.defect(offset, "an element behind the end");
            self.open.push(0);
        }
        self.open.push(place);
        self.document.nodes.push(Node { name: local(tag.name()), attributes, ..Node::default() });
    }

    /// Keeps the attributes of a tag; returns where they begin and how many they are.
    fn attributes(&mut self, tag: Tag<'a>, offset: usize) -> (usize, usize) {
        let first = self.document.attributes.len();
        let mut list = Attributes::html(tag.content, tag.name_len);
        for attribute in list.with_checks(false) {
            let Ok(attribute) = attribute else {
                self.defect(offset, "an attribute that is none");
                continue;
            };
            let key = attribute.key.into_inner();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            if self.kept >= MAX_NODES {
                break;
            }
            self.kept += 1;
            self.document.attributes.push((local(key), unescape(attribute.value)));
        }
        (first, self.document.attributes.len() - first)
    }

    /// Closes the element of that name and those in it that were left open; the last one without a name.
    fn end(&mut self, name: Option<&str>, offset: usize) {
        if self.below > 0 {
            self.below -= 1;
            return;
        }
        let is =
            |place: &usize| self.document.nodes.get(*place).is_some_and(|node| name.is_none_or(|name| node.is(name)));
        let Some(keep) = self.open.iter().rposition(is) else {
            return self.defect(offset, format!("</{}> closes nothing", short(name.unwrap_or_default())));
        };
        if self.open.len() > keep + 1 {
            let name = self.innermost().map_or("", |node| node.name);
            self.defect(offset, format!("<{}> is not closed", short(name)));
        }
        while self.open.len() > keep {
            self.close();
        }
    }

    fn innermost(&mut self) -> Option<&mut Node<'a>> {
        self.document.nodes.get_mut(*self.open.last()?)
    }

    fn close(&mut self) {
        let Some(place) = self.open.pop() else { return };
        let size = self.document.nodes.len() - place - 1;
        if let Some(node) = self.document.nodes.get_mut(place) {
            node.size = size;
            node.trim();
        }
    }

    fn text(&mut self, text: Cow<'a, str>) {
        if self.below > 0 {
            return;
        }
        let Some(node) = self.innermost() else { return };
        if !node.text.is_empty() {
            node.text.to_mut().push_str(&text);
        } else if !text.trim().is_empty() {
            // White space between elements is no text.
            node.text = text;
        }
    }

    fn reference(&mut self, name: &str, offset: usize) {
        if let Some(char) = resolve(name) {
            self.text(char.to_string().into());
        } else {
            self.defect(offset, format!("entity &{}; is not known", short(name)));
            self.text(format!("&{name};").into());
        }
    }

    fn finish(mut self, end: usize) -> Document<'a> {
        if let Some(name) = self.innermost().map(|node| short(node.name)) {
            self.defect(end, format!("it ends in <{name}>"));
        }
        while !self.open.is_empty() {
            self.close();
        }
        if self.document.nodes.is_empty() {
            self.defect(0, "no element");
        }
        self.document
    }
}

/// What stands in a tag, borrowed from the text that outlives the reader's events.
#[derive(Clone, Copy)]
struct Tag<'a> {
    content: &'a str,
    name_len: usize,
}

impl<'a> Tag<'a> {
    /// The tag with which `read` ends; `close` is what closes it.
    fn new(tag: &BytesStart<'_>, read: &'a str, close: &str) -> Self {
        let read = read.strip_suffix(close).unwrap_or(read);
        let content = read.get(read.len().saturating_sub(tag.len())..).unwrap_or_default();
        Self { content, name_len: tag.name().as_ref().len().min(content.len()) }
    }

    fn name(self) -> &'a str {
        self.content.get(..self.name_len).unwrap_or_default()
    }
}

fn position(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    let prefix = name.bytes().rposition(|byte| byte == b':').map_or(0, |colon| colon + 1);
    name.get(prefix..).unwrap_or(name)
}

/// A name as it stands in a defect.
fn short(name: &str) -> &str {
    name.char_indices().nth(40).map_or(name, |(end, _)| name.get(..end).unwrap_or(name))
}

/// The character of a predefined entity or of a character reference (XML 1.0 §4.1, §4.6).
fn resolve(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => digits.parse(),
            };
            char::from_u32(number.ok()?).filter(|&char| char != '\0')
        }
    }
}

/// An attribute's value with its references resolved; those not known stay as they are.
fn unescape(raw: Cow<'_, str>) -> Cow<'_, str> {
    if !raw.contains('&') {
        return raw;
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = &*raw;
    while let Some((before, after)) = rest.split_once('&') {
        value.push_str(before);
        let end = after.bytes().take(MAX_REFERENCE).position(|byte| byte == b';');
        let found = end.and_then(|end| Some((resolve(after.get(..end)?)?, after.get(end + 1..)?)));
        rest = match found {
            Some((char, behind)) => {
                value.push(char);
                behind
            }
            None => {
                value.push('&');
                after
            }
        };
    }
    value.push_str(rest);
    value.into()
}

/// For the fuzzer: any bytes. What is kept keeps to the bounds.
pub fn fuzz(bytes: &[u8]) {
    let text = decode(bytes);
    let document = Document::parse(&text);
    assert!(document.defects.len() <= MAX_DEFECTS);
    let Some(root) = document.root() else { return assert!(!document.defects.is_empty()) };
    let kept: usize = root.all().map(|element| 1 + element.attributes().len()).sum();
    assert!(kept <= MAX_NODES);
    assert_eq!(kept, document.nodes.len() + document.attributes.len(), "all is in the root");
    assert_eq!(root.find_all(root.name()).next(), Some(root));
    let lines = lay_out(root);
    assert_eq!(lines.len(), root.all().count(), "one line an element");
    assert!(lines.iter().all(|line| line.depth < MAX_DEPTH && !line.text.contains(char::is_control)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in one line: `name[a=b]{text}(children)`.
    fn spell(element: Element<'_>) -> String {
        let attributes = element.attributes().iter().map(|(name, value)| format!("[{name}={value}]"));
        let attributes = attributes.collect::<Vec<_>>().concat();
        let text = if element.text().is_empty() { String::new() } else { format!("{{{}}}", element.text()) };
        let children = element.elements().map(spell).collect::<Vec<_>>().join(" ");
        let children = if children.is_empty() { children } else { format!("({children})") };
        format!("{}{attributes}{text}{children}", element.name())
    }

    #[track_caller]
    fn check(bytes: impl AsRef<[u8]>, tree: &str, defects: &[&str]) {
        let text = decode(bytes.as_ref());
        let document = Document::parse(&text);
        assert_eq!(document.root().map_or(String::new(), spell), tree);
        let told: Vec<_> = document.defects.iter().map(|defect| defect.what.as_ref()).collect();
        assert_eq!(told, defects, "{tree}");
    }

    #[test]
    fn what_is_well_formed() {
        check(
            "<?xml version=\"1.0\"?>\r\n<a:b xmlns:a='u' a:x=\"1 &lt; &#50;\"> <c/>t &amp; u<!-- --> </a:b>",
            "b[x=1 < 2]{t & u}(c)",
            &[],
        );
        check("<a><![CDATA[<&>]]></a>", "a{<&>}", &[]);
        check("<a x:type='q' type='r'>&#xFC;&#252;</a>", "a[type=q][type=r]{üü}", &[]);
    }

    #[test]
    fn encodings() {
        check(b"<a n='M\xfcller'>\xfc \xc3\xbc</a>", "a[n=Müller]{ü ü}", &[]);
        check(b"\xef\xbb\xbf<a/>", "a", &[]);
        let wide: Vec<u16> = "<a>ü☃</a>".encode_utf16().collect();
        let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        check([&[0xff, 0xfe], &little[..]].concat(), "a{ü☃}", &[]);
        check([&[0xfe, 0xff], &big[..], &[0]].concat(), "a{ü☃}", &[]);
    }

    #[test]
    fn what_is_damaged() {
        check("<p:a><q:b>t</q:b></p:a>", "a(b{t})", &[]);
        check("<a><b><c>t</b><d/></a>", "a(b(c{t}) d)", &["<c> is not closed"]);
        check("<a></b></a>", "a", &["</b> closes nothing"]);
        check("<a><b>te", "a(b{te})", &["it ends in <b>"]);
        check("<a/><b/>", "a(b)", &["an element behind the end", "it ends in <a>"]);
        check("<a x=1 y z='2'>R&D & &nbsp;</a>", "a[x=1][y=][z=2]{R&D & &nbsp;}", &["entity &nbsp; is not known"]);
        check("", "", &["no element"]);
        check("no xml", "", &["no element"]);
        let cut = Document::parse("<a><b/><c name=\"st");
        assert_eq!(spell(cut.root().unwrap()), "a(b)");
        assert_eq!((cut.defects.len(), cut.defects[0].offset), (2, 7));
        let bang = Document::parse("<a><!bad><b/></a>");
        assert_eq!(spell(bang.root().unwrap()), "a(b)", "reading goes on behind damage");
    }

    #[test]
    fn entities_do_not_grow() {
        let bomb =
            format!("<!DOCTYPE a [<!ENTITY x \"{}\">\n<!ENTITY y \"&x;&x;&x;\">]><a>&y;&y;</a>", "lol".repeat(100));
        check(
            bomb,
            "a{&y;&y;}",
            &["a document type, which no body needs", "entity &y; is not known", "entity &y; is not known"],
        );
    }

    #[test]
    fn bounds_hold() {
        let deep = format!("{}x{}<z/>", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let document = Document::parse(&deep);
        let root = document.root().unwrap();
        assert_eq!(root.find_all("a").count(), MAX_DEPTH);
        assert!(root.find("z").is_some(), "what follows is read");
        assert_eq!(document.defects[0].what, "nested too deep");
        let many = format!("<a>{}</a>", "<b c=''/>".repeat(MAX_NODES));
        let document = Document::parse(&many);
        assert_eq!(document.root().unwrap().elements().count(), MAX_NODES / 2);
        assert_eq!(document.defects[0].what, "too many elements");
    }

    #[test]
    fn finding() {
        let document = Document::parse("<r><a><b>1</b></a><B>2</B><b/></r>");
        let root = document.root().unwrap();
        assert_eq!(root.find("b").unwrap().text(), "1");
        assert_eq!(root.child("b").unwrap().text(), "2");
        assert_eq!((root.children("b").count(), root.find_all("b").count()), (2, 3));
        assert_eq!(root.text_of("B"), Some("1"));
        assert_eq!(root.text_of("a"), None);
    }

    #[test]
    fn any_bytes() {
        let samples: [&[u8]; 5] = [
            b"<?xml version='1.0'?><a:b x='1' y=\"&#x41;\"><c>t &lt; u</c><![CDATA[x]]><!-- c --></a:b>",
            b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;&#0;</a>",
            b"\xff\xfe<\0a\0/\0>\0",
            b"<a><b></a></b><<c d='><e/>",
            b"<password>secret</password>",
        ];
        for sample in samples {
            for end in 0..=sample.len() {
                fuzz(&sample[..end]);
            }
            for at in 0..sample.len() {
                for flip in [0x01, 0x20, 0x80, 0xff] {
                    let mut bytes = sample.to_vec();
                    bytes[at] ^= flip;
                    fuzz(&bytes);
                }
            }
        }
    }
}
