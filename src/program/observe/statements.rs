//! Finds the statements of a program, and puts a call in front of each.

use std::sync::Arc;

use vrl::parser::{
    Program, Span,
    ast::{
        Abort, Array, Assignment, Block, Container, Expr, FunctionArgument, FunctionCall,
        FunctionClosure, Group, IfStatement, Node, Not, Object, Op, Predicate, Return, RootExpr,
        Unary,
    },
};

use super::{Observations, mark};

/// The same program with its statements marked, and where they will be seen.
pub(in crate::program) fn marked(program: Program) -> (Program, Arc<Observations>) {
    let mut marker = Marker { spans: Vec::new() };
    let mut roots = Vec::new();
    for root in program.0 {
        let (span, root) = root.take();
        match root {
            RootExpr::Expr(expr) => {
                let mark = Node::new(span, RootExpr::Expr(marker.mark(expr.span())));
                roots.extend([mark, Node::new(span, RootExpr::Expr(marker.expr(expr)))]);
            }
            error @ RootExpr::Error(_) => roots.push(Node::new(span, error)),
        }
    }
    (Program(roots), Observations::of(marker.spans))
}

/// What was marked so far.
struct Marker {
    spans: Vec<Span>,
}

impl Marker {
    fn mark(&mut self, span: Span) -> Node<Expr> {
        self.spans.push(span);
        mark::call(self.spans.len() - 1, span)
    }

    fn block(&mut self, block: Node<Block>) -> Node<Block> {
        block.map(|block| {
            let mut marked = Vec::new();
            for expr in block.into_inner() {
                marked.push(self.mark(expr.span()));
                marked.push(self.expr(expr));
            }
            Block(marked)
        })
    }

    fn boxed(&mut self, expr: Node<Expr>) -> Box<Node<Expr>> {
        Box::new(self.expr(expr))
    }

    /// The expression with the blocks in it marked.
    fn expr(&mut self, expr: Node<Expr>) -> Node<Expr> {
        expr.map(|expr| match expr {
            Expr::Container(node) => Expr::Container(node.map(|node| self.container(node))),
            Expr::IfStatement(node) => Expr::IfStatement(node.map(|node| self.if_statement(node))),
            Expr::Op(node) => {
                Expr::Op(node.map(|Op(left, opcode, right)| {
                    Op(self.boxed(*left), opcode, self.boxed(*right))
                }))
            }
            Expr::Assignment(node) => Expr::Assignment(node.map(|node| self.assignment(node))),
            Expr::FunctionCall(node) => Expr::FunctionCall(node.map(|node| self.call(node))),
            Expr::Unary(node) => Expr::Unary(node.map(|Unary::Not(not)| {
                Unary::Not(not.map(|not| {
                    let (bang, expr) = not.take();
                    Not::new(bang.span(), self.expr(*expr))
                }))
            })),
            Expr::Abort(node) => Expr::Abort(node.map(|Abort { message }| {
                let message = message.map(|message| self.boxed(*message));
                Abort { message }
            })),
            Expr::Return(node) => {
                Expr::Return(node.map(|Return { expr }| Return { expr: self.boxed(*expr) }))
            }
            leaf @ (Expr::Literal(_) | Expr::Query(_) | Expr::Variable(_) | Expr::Break(_)) => leaf,
        })
    }

    fn container(&mut self, container: Container) -> Container {
        match container {
            Container::Group(group) => {
                Container::Group(Box::new(group.map(|Group(expr)| Group(self.expr(expr)))))
            }
            Container::Block(block) => Container::Block(self.block(block)),
            Container::Array(array) => Container::Array(
                array.map(|array| array.into_iter().map(|expr| self.expr(expr)).collect::<Array>()),
            ),
            Container::Object(object) => Container::Object(object.map(|object| {
                let field = |(name, expr)| (name, self.expr(expr));
                object.into_iter().map(field).collect::<Object>()
            })),
        }
    }

    fn if_statement(&mut self, statement: IfStatement) -> IfStatement {
        let IfStatement { predicate, if_node, else_node } = statement;
        let predicate = predicate.map(|predicate| match predicate {
            Predicate::One(expr) => Predicate::One(self.boxed(*expr)),
            Predicate::Many(exprs) => {
                Predicate::Many(exprs.into_iter().map(|expr| self.expr(expr)).collect())
            }
        });
        let if_node = self.block(if_node);
        IfStatement { predicate, if_node, else_node: else_node.map(|block| self.block(block)) }
    }

    fn assignment(&mut self, assignment: Assignment) -> Assignment {
        match assignment {
            Assignment::Single { target, op, expr } => {
                Assignment::Single { target, op, expr: self.boxed(*expr) }
            }
            Assignment::Infallible { ok, err, op, expr } => {
                Assignment::Infallible { ok, err, op, expr: self.boxed(*expr) }
            }
        }
    }

    fn call(&mut self, call: FunctionCall) -> FunctionCall {
        let FunctionCall { ident, abort_on_error, arguments, closure } = call;
        let mut argument = |argument: Node<FunctionArgument>| {
            argument.map(|FunctionArgument { ident, expr }| {
                let expr = self.expr(expr);
                FunctionArgument { ident, expr }
            })
        };
        let arguments = arguments.into_iter().map(&mut argument).collect();
        let closure = closure.map(|closure| {
            closure.map(|FunctionClosure { variables, block }| {
                let block = self.block(block);
                FunctionClosure { variables, block }
            })
        });
        FunctionCall { ident, abort_on_error, arguments, closure }
    }
}
