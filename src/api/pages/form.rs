//! Fields of a form, each with what it is for and what is wrong beside it.

use super::tongue::Tongue;
use crate::report::escaped;
use std::fmt::Write;

/// One field. Writing to a string cannot fail.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    name: &'a str,
    label: &'a str,
    value: &'a str,
    hint: &'a str,
    fault: Option<String>,
    kind: Kind<'a>,
    autocomplete: &'a str,
}

#[derive(Clone, Debug)]
enum Kind<'a> {
    Line,
    Password,
    Lines,
    File,
    /// Values with what is shown for them.
    Choice(Vec<(String, String)>),
    /// Offered, not enforced.
    Suggested(&'a [&'a str]),
}

impl<'a> Field<'a> {
    pub(super) fn new(name: &'a str, label: &'a str) -> Self {
        Self {
            name,
            label,
            value: "",
            hint: "",
            fault: None,
            kind: Kind::Line,
            autocomplete: "off",
        }
    }

    pub(super) fn of(mut self, value: &'a str) -> Self {
        self.value = value;
        self
    }

    pub(super) fn hint(mut self, hint: &'a str) -> Self {
        self.hint = hint;
        self
    }

    pub(super) fn fault(mut self, fault: Option<String>) -> Self {
        self.fault = fault;
        self
    }

    pub(super) fn autocomplete(mut self, what: &'a str) -> Self {
        self.autocomplete = what;
        self
    }

    pub(super) fn password(mut self) -> Self {
        self.kind = Kind::Password;
        self.autocomplete = "current-password";
        self
    }

    pub(super) fn lines(mut self) -> Self {
        self.kind = Kind::Lines;
        self
    }

    pub(super) fn file(mut self) -> Self {
        self.kind = Kind::File;
        self
    }

    pub(super) fn choice(mut self, choices: Vec<(String, String)>) -> Self {
        self.kind = Kind::Choice(choices);
        self
    }

    pub(super) fn suggested(mut self, suggestions: &'a [&'a str]) -> Self {
        self.kind = Kind::Suggested(suggestions);
        self
    }

    pub(super) fn to_html(&self) -> String {
        let name = self.name;
        let mut html = format!(
            "<div class=\"field\"><label for=\"{name}\">{}</label>",
            escaped(self.label)
        );
        let mut more = format!(" id=\"{name}\" name=\"{name}\"");
        if !self.hint.is_empty() || self.fault.is_some() {
            let _ = write!(more, " aria-describedby=\"{name}-told\"");
        }
        if self.fault.is_some() {
            more += " aria-invalid=\"true\"";
        }
        let value = escaped(self.value);
        let auto = self.autocomplete;
        let _ = match &self.kind {
            Kind::Line => write!(
                html,
                "<input{more} value=\"{value}\" autocomplete=\"{auto}\">"
            ),
            Kind::Password => write!(
                html,
                "<input type=\"password\"{more} autocomplete=\"{auto}\">"
            ),
            Kind::Lines => write!(html, "<textarea{more} rows=\"4\">{value}</textarea>"),
            Kind::File => write!(
                html,
                "<input type=\"file\" accept=\".csv,text/csv,text/plain\"{more}>"
            ),
            Kind::Suggested(suggestions) => {
                let options: String = suggestions
                    .iter()
                    .map(|text| format!("<option value=\"{}\">", escaped(text)))
                    .collect();
                write!(
                    html,
                    "<input{more} value=\"{value}\" list=\"{name}-list\" autocomplete=\"{auto}\">\
                     <datalist id=\"{name}-list\">{options}</datalist>"
                )
            }
            Kind::Choice(choices) => {
                let options: String = choices
                    .iter()
                    .map(|(choice, shown)| {
                        let selected = if choice == self.value {
                            " selected"
                        } else {
                            ""
                        };
                        format!(
                            "<option value=\"{}\"{selected}>{}</option>",
                            escaped(choice),
                            escaped(shown)
                        )
                    })
                    .collect();
                write!(html, "<select{more}>{options}</select>")
            }
        };
        let _ = write!(html, "<span id=\"{name}-told\">");
        if let Some(fault) = &self.fault {
            let _ = write!(html, "<strong class=\"fault\">{}</strong>", escaped(fault));
        }
        let _ = write!(html, "<small>{}</small></span></div>", escaped(self.hint));
        html
    }
}

/// What was typed into a field: nothing but space is nothing.
pub(super) fn typed(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// A choice of one of these, or of all.
pub(super) fn choices(
    tongue: Tongue,
    all: impl IntoIterator<Item = String>,
) -> Vec<(String, String)> {
    let everything = (String::new(), tongue.say("all", "全部").to_owned());
    let each = all.into_iter().map(|one| (one.clone(), one));
    std::iter::once(everything).chain(each).collect()
}
