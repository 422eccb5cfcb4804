//! Lists in parentheses, with the place of everything.

use crate::float::vnnlib::error::{Problem, VnnlibError};

/// A place in the text, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A word or a list.
#[derive(Clone, Debug)]
pub(super) enum Sexpr<'a> {
    Word(&'a str, Position),
    List(Vec<Self>, Position),
}

/// Lists inside of lists at most; everything that walks them may recurse.
const DEPTH_LIMIT: usize = 100;
/// Words and parentheses at most: each takes many times its length in memory.
const TOKEN_LIMIT: usize = 1 << 22;

impl Position {
    pub(super) fn error(self, problem: Problem) -> VnnlibError {
        VnnlibError {
            line: self.line,
            column: self.column,
            problem,
        }
    }

    pub(super) fn expected(self, expected: &'static str, got: impl Into<String>) -> VnnlibError {
        let got = got.into();
        self.error(Problem::Expected { expected, got })
    }
}

impl Sexpr<'_> {
    pub(super) const fn position(&self) -> Position {
        match self {
            Self::Word(_, position) | Self::List(_, position) => *position,
        }
    }

    /// For messages: the word itself, or what kind of list it is.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word, _) => format!("`{}`", shorten(word)),
            Self::List(items, _) => match items.first() {
                Some(Self::Word(word, _)) => format!("`({} …)`", shorten(word)),
                Some(Self::List(..)) => "`((…) …)`".to_owned(),
                None => "`()`".to_owned(),
            },
        }
    }
}

/// A word short enough for a message.
pub(super) fn shorten(word: &str) -> String {
    const LONGEST: usize = 40;
    if word.chars().count() <= LONGEST {
        return word.to_owned();
    }
    word.chars().take(LONGEST).chain(['…']).collect()
}

/// The lists of a text, one after the other.
pub(super) fn parse(text: &str) -> Result<Vec<Sexpr<'_>>, VnnlibError> {
    let mut open: Vec<(Vec<Sexpr<'_>>, Position)> = Vec::new();
    let mut top = Vec::new();
    for (number, (token, position)) in Tokens::new(text).enumerate() {
        if number >= TOKEN_LIMIT {
            let limit = TOKEN_LIMIT;
            return Err(position.error(Problem::TooManyTokens { limit }));
        }
        let done = match token {
            "(" => {
                if open.len() >= DEPTH_LIMIT {
                    let limit = DEPTH_LIMIT;
                    return Err(position.error(Problem::Depth { limit }));
                }
                open.push((Vec::new(), position));
                continue;
            }
            ")" => {
                let Some((items, start)) = open.pop() else {
                    return Err(position.expected("`(` or the end of the file", "`)`"));
                };
                Sexpr::List(items, start)
            }
            word => Sexpr::Word(word, position),
        };
        match open.last_mut() {
            Some((items, _)) => items.push(done),
            None => top.push(done),
        }
    }
    match open.first() {
        Some((_, start)) => Err(start.error(Problem::Unclosed)),
        None => Ok(top),
    }
}

/// Parentheses and words; comments run from `;` to the end of the line.
struct Tokens<'a> {
    rest: &'a str,
    position: Position,
}

impl<'a> Tokens<'a> {
    const fn new(text: &'a str) -> Self {
        let position = Position { line: 1, column: 1 };
        Self {
            rest: text,
            position,
        }
    }

    /// Takes `bytes` bytes, which end at a border of characters.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for character in taken.chars() {
            if character == '\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else {
                self.position.column += 1;
            }
        }
        taken
    }

    fn take_while(&mut self, goes_on: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !goes_on(character));
        self.take(end.unwrap_or(self.rest.len()))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (&'a str, Position);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest.starts_with(';') {
                break;
            }
            self.take_while(|character| character != '\n');
        }
        let first = self.rest.chars().next()?;
        let position = self.position;
        let token = if matches!(first, '(' | ')') {
            self.take(1)
        } else {
            self.take_while(|c| !matches!(c, '(' | ')' | ';') && !c.is_whitespace())
        };
        Some((token, position))
    }
}
