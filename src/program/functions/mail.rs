//! `mail_addresses`: the addresses in what cmdlets and mail records write of recipients.

use vrl::prelude::*;

use super::call::call;

/// `mail_addresses(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct MailAddresses;

impl Function for MailAddresses {
    fn identifier(&self) -> &'static str {
        "mail_addresses"
    }

    fn summary(&self) -> &'static str {
        "the mail addresses in a text or a list"
    }

    fn usage(&self) -> &'static str {
        "Gives the mail addresses in a text, each once: separated by `;` or `,`, with or without a name, brackets or \
         `smtp:` before them (`\"Alice\" [SMTP:alice@contoso.example]`, `Alice <alice@contoso.example>`). Of a list, \
         those of all texts in it. Without any, null."
    }

    fn category(&self) -> &'static str {
        Category::Parse.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::ARRAY | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The text, or a list of texts.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A cmdlet's parameter",
                source: r#"mail_addresses("alice@contoso.example;smtp:bob@contoso.example")"#,
                result: Ok(r#"["alice@contoso.example", "bob@contoso.example"]"#),
            },
            example! {
                title: "With a name",
                source: r#"mail_addresses(s'"Alice" [SMTP:alice@contoso.example]')"#,
                result: Ok(r#"["alice@contoso.example"]"#),
            },
            example! {
                title: "No address",
                source: r#"mail_addresses("Discovery Management")"#,
                result: Ok("null"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let texts = Collection::empty().with_unknown(Kind::bytes());
        Ok(call(&arguments, mail_addresses, TypeDef::array(texts).or_null()))
    }
}

fn mail_addresses(value: &Value) -> Value {
    let mut addresses = Vec::new();
    gather(value, &mut addresses);
    if addresses.is_empty() {
        return Value::Null;
    }
    Value::Array(addresses.into_iter().map(|address| Value::from(address.to_owned())).collect())
}

fn gather<'a>(value: &'a Value, addresses: &mut Vec<&'a str>) {
    if let Value::Array(values) = value {
        for value in values {
            gather(value, addresses);
        }
        return;
    }
    let Some(text) = value.to_str() else { return };
    let between = |character: char| {
        matches!(character, ';' | ',' | '[' | ']' | '<' | '>' | '(' | ')' | '"' | '\'')
            || character.is_whitespace()
            || character.is_control()
    };
    for word in text.split(between) {
        // `smtp:` and its like; no address has a colon.
        let address = word.rsplit_once(':').map_or(word, |(_kind, address)| address);
        if is_address(address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
}

fn is_address(text: &str) -> bool {
    let domain_is = |domain: &str| domain.contains('.') && !domain.contains('@');
    text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain_is(domain))
}
