# What a developer types. `make help` lists it; the logic is in tests/run.sh and tests/services/.

.DEFAULT_GOAL := help
.PHONY: help demo test corpus bench deb lint fmt readme clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## Build o365flow and run its demo, with no account needed; LIVE=1: with its status page, until Ctrl-C
	@tests/services/packages.sh build
	cargo run --release --locked --bin o365flow -- demo $(if $(LIVE),--live)

test: ## Check formatting and lints, run every test against real servers
	@tests/run.sh

corpus: ## Map real records and store them in a real Elasticsearch: RECORDS=, OUT=
	@RECORDS="$(RECORDS)" OUT="$(OUT)" PROGRAM="$(PROGRAM)" SEED="$(SEED)" tests/corpus.sh

bench: ## Run the benchmarks
	@tests/services/packages.sh build test
	cargo bench --locked --workspace

deb: ## Build a Debian package, in target/deb
	@tests/services/packages.sh build
	cargo build --profile dist --locked --bin o365flow
	@mkdir -p target/deb
	@packaging/deb/build.sh "$${CARGO_TARGET_DIR:-target}/dist/o365flow" target/deb

lint: ## Check formatting and lints only
	@tests/services/packages.sh build
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	@if command -v shellcheck >/dev/null; then shellcheck -x .ci/run tests/run.sh tests/corpus.sh tests/services/*.sh packaging/deb/build.sh packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm packaging/runit/run; fi

fmt: ## Format the code
	cargo fmt --all

readme: ## Make README's tables of options, the functions in docs/vrl.md, config/schema.json
	@tests/services/packages.sh build
	UPDATE_EXPECT=1 cargo test --release --locked --test it -- the_readme_lists the_language_page_lists
	UPDATE_EXPECT=1 cargo test --release --locked --test service -- the_committed_schema

clean: ## Delete what was built; the downloaded servers stay
	cargo clean
