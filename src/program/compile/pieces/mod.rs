//! Compiling a long program piece by piece.
//!
//! With every expression VRL copies all that it knows of an event, so the time that a program takes to compile grows
//! with the square of its length. Each part that a program includes is therefore a piece of its own, compiled knowing
//! only the fields that its text names; what it changed is put together with what is known of all others. Variables
//! pass from piece to piece, at compile time as in a run.
//!
//! Invariant: a piece is told nothing that does not hold. A field that it is not told of can be anything.

use std::collections::BTreeMap;

use vrl::{
    compiler::state::ExternalEnv,
    compiler::{
        CompilationResult, CompileConfig, Compiler, Function, Program, TypeInfo, TypeState,
        unused_expression_checker::check_for_unused_results,
    },
    diagnostic::{Diagnostic, DiagnosticList, DiagnosticMessage},
    parser::{
        Program as Ast,
        ast::{Expr, Literal, Node, RootExpr},
        parse,
    },
    path::{OwnedSegment, PathPrefix},
    value::{
        Kind,
        kind::{Collection, Field},
    },
};

use crate::program::Source;

/// VRL's code for a variable that is not there. In a piece behind one that is wrong, it follows from that.
const UNDEFINED_VARIABLE: usize = 701;

/// A program in the pieces that run one after the other.
pub(super) struct Compiled {
    pub(super) pieces: Vec<Program>,
    /// What holds after the last.
    pub(super) end: TypeInfo,
    pub(super) warnings: DiagnosticList,
}

/// How pieces are compiled.
pub(super) struct PieceCompiler<'a> {
    pub(super) source: &'a Source,
    pub(super) functions: &'a [Box<dyn Function>],
    /// Makes the same configuration every time.
    pub(super) config: &'a dyn Fn() -> CompileConfig,
    /// Whether anybody looks at the value of the last expression.
    pub(super) is_asked: bool,
}

impl PieceCompiler<'_> {
    /// Compiles the source's text, which will run in `state`.
    pub(super) fn compile(&self, state: &TypeState) -> Result<Compiled, DiagnosticList> {
        let ast = parse(self.source.text())
            .map_err(|error| DiagnosticList::from(Box::new(error) as Box<dyn DiagnosticMessage>))?;
        self.compile_parsed(ast, state)
    }

    /// Compiles `ast`, which is the source's text or was made of it.
    pub(super) fn compile_parsed(
        &self,
        mut ast: Ast,
        state: &TypeState,
    ) -> Result<Compiled, DiagnosticList> {
        // At a prompt every result is used: it is shown. The check knows no variables but those of the text, and logs
        // each that it meets.
        let is_checked = (self.config)().unused_expression_check_enabled();
        let unused = is_checked.then(|| check_for_unused_results(&ast));
        let unused = unused.into_iter().flatten().filter(|finding| !is_fill(finding));
        let mut pieces = self.cut(ast.clone());
        if !self.is_asked {
            pieces.iter_mut().chain([&mut ast]).for_each(drop_value);
        }
        let compiled = match pieces.len() {
            0 | 1 => self.compile_one(ast, state),
            _ => self.compile_pieces(pieces, state.clone()).and_then(|compiled| {
                // A `return` in a piece would end no more than that piece.
                let returns =
                    |piece: &Program| !piece.final_type_info().result.returns().is_never();
                if compiled.pieces.iter().any(returns) {
                    self.compile_one(ast, state)
                } else {
                    Ok(compiled)
                }
            }),
        };
        compiled.map(|mut compiled| {
            compiled.warnings.extend(unused);
            compiled
        })
    }

    /// Cuts where one part of the source ends and another begins.
    fn cut(&self, ast: Ast) -> Vec<Ast> {
        let mut pieces: Vec<(usize, Ast)> = Vec::new();
        for root in ast.0 {
            let part = self.source.part_at(root.span().start());
            match pieces.last_mut() {
                Some((last, piece)) if *last == part => piece.0.push(root),
                _ => pieces.push((part, Ast(vec![root]))),
            }
        }
        pieces.into_iter().map(|(_, piece)| piece).collect()
    }

    fn compile_one(&self, ast: Ast, state: &TypeState) -> Result<Compiled, DiagnosticList> {
        let CompilationResult { program, warnings, .. } =
            Compiler::compile(self.functions, ast, state, (self.config)())?;
        let end = program.final_type_info();
        Ok(Compiled { pieces: vec![program], end, warnings })
    }

    fn compile_pieces(
        &self,
        pieces: Vec<Ast>,
        state: TypeState,
    ) -> Result<Compiled, DiagnosticList> {
        let mut end = TypeInfo::new(state, vrl::compiler::TypeDef::null());
        let mut compiled = Vec::new();
        let mut warnings = DiagnosticList::default();
        let mut errors = DiagnosticList::default();
        for piece in pieces {
            let text = self.text_of(&piece);
            let known = end.state.external.target_kind().clone();
            let told = narrowed(&known, text);
            let metadata = end.state.external.metadata_kind().clone();
            end.state.external = ExternalEnv::new_with_kind(told.clone(), metadata);
            match Compiler::compile(self.functions, piece, &end.state, (self.config)()) {
                Ok(result) => {
                    warnings.extend(result.warnings);
                    end = result.program.final_type_info();
                    let changed = changed_by(&result.program);
                    let changed: Vec<&[OwnedSegment]> = changed.iter().map(Vec::as_slice).collect();
                    let after = end.state.external.target_kind();
                    let known = combined(&known, &told, after, &changed);
                    let metadata = end.state.external.metadata_kind().clone();
                    end.state.external = ExternalEnv::new_with_kind(known, metadata);
                    compiled.push(result.program);
                }
                Err(findings) => {
                    let follows = !errors.is_empty();
                    let own = |code: usize| !(follows && code == UNDEFINED_VARIABLE);
                    errors.extend(findings.into_iter().filter(|finding| own(finding.code)));
                    let metadata = end.state.external.metadata_kind().clone();
                    end.state.external = ExternalEnv::new_with_kind(known, metadata);
                }
            }
        }
        if errors.is_empty() {
            Ok(Compiled { pieces: compiled, end, warnings })
        } else {
            Err(errors)
        }
    }

    fn text_of(&self, piece: &Ast) -> &str {
        let start = piece.0.first().map_or(0, |root| root.span().start());
        let end = piece.0.last().map_or(0, |root| root.span().end());
        self.source.text().get(start..end).unwrap_or(self.source.text())
    }
}

/// Lets a program end with null where it ends with an assignment or an `if`. The value of the last expression is made
/// even if nobody asks for it: of `. = …` that is a copy of the event.
fn drop_value(ast: &mut Ast) {
    let Some(last) = ast.0.last() else { return };
    if let RootExpr::Expr(expression) = last.inner()
        && matches!(expression.inner(), Expr::Assignment(_) | Expr::IfStatement(_))
    {
        let span = last.span();
        let null = Expr::Literal(Node::new(span, Literal::Null));
        ast.0.push(Node::new(span, RootExpr::Expr(Node::new(span, null))));
    }
}

/// Whether a finding says that nothing is done with what `fill` gives. VRL knows only its own functions as such that
/// are called for what they do.
fn is_fill(finding: &Diagnostic) -> bool {
    finding.message().starts_with("unused result for function call `fill(")
}

/// The paths in the event to which a piece assigns.
fn changed_by(piece: &Program) -> Vec<Vec<OwnedSegment>> {
    let assigned = piece.info().target_assignments.iter();
    let in_event = assigned.filter(|path| path.prefix == PathPrefix::Event);
    in_event.map(|path| path.path.segments.clone()).collect()
}

/// What a piece with this text is told of `kind`: the fields that the text names. The others can be anything.
fn narrowed(kind: &Kind, text: &str) -> Kind {
    let Some(fields) = kind.as_object() else { return kind.clone() };
    let named = fields.known().iter().filter(|(name, _)| text.contains(name.as_str()));
    let known: BTreeMap<Field, Kind> =
        named.map(|(name, kind)| (name.clone(), narrowed(kind, text))).collect();
    let is_told_all = known.len() == fields.known().len();
    let unknown = if is_told_all { fields.unknown_kind() } else { Kind::any() };
    kind.without_object().or_object(Collection::from_parts(known, unknown))
}

/// What holds after a piece: `after`, as the piece left what it was told (`before`), and of what it was not told, and so
/// could not change, what held of `full`. `changed` are the paths, from here, to which it assigned.
fn combined(full: &Kind, before: &Kind, after: &Kind, changed: &[&[OwnedSegment]]) -> Kind {
    if before == after && changed.is_empty() {
        return full.clone();
    }
    let (Some(all), Some(told), Some(left)) =
        (full.as_object(), before.as_object(), after.as_object())
    else {
        return after.clone();
    };
    if changed.iter().any(|path| !matches!(path.first(), Some(OwnedSegment::Field(_)))) {
        return after.clone();
    }
    let below = |name: &Field| -> Vec<&[OwnedSegment]> {
        let inside = |path: &&[OwnedSegment]| match path.split_first() {
            Some((OwnedSegment::Field(first), _)) => first.as_str() == name.as_str(),
            _ => false,
        };
        changed.iter().filter(|path| inside(path)).map(|path| &path[1..]).collect()
    };
    let mut known = BTreeMap::new();
    for (name, kind) in left.known() {
        let kind = match (all.known().get(name), told.known().get(name)) {
            (Some(all), Some(told)) => combined(all, told, kind, &below(name)),
            _ => kind.clone(),
        };
        known.insert(name.clone(), kind);
    }
    for (name, kind) in all.known() {
        if !told.known().contains_key(name) && !left.known().contains_key(name) {
            known.insert(name.clone(), kind.clone());
        }
    }
    let is_as_told = told.unknown_kind() == left.unknown_kind();
    let unknown = if is_as_told { all.unknown_kind() } else { left.unknown_kind() };
    after.without_object().or_object(Collection::from_parts(known, unknown))
}

#[cfg(test)]
mod tests;
