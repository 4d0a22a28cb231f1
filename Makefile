# Every target is one command that also works without make.
LAB = python3 -m lab

.PHONY: help demo test lint unit sanity build contract hosts molecule docs schema-docs clean

help: ## show this
	@sed -n 's/^\([a-z-]*\)[a-z -]*: ## /\1\t/p' $(MAKEFILE_LIST)

demo: ## six hosts out of containers, a whole cluster on them, and a query to paste
	$(LAB) demo

test: ## everything: lint, unit, sanity, build, contract, hosts, and Molecule on real hosts
	$(LAB) test

lint unit sanity build contract hosts: ## only this stage of the tests; the others are unit, sanity, build, contract and hosts
	$(LAB) test $@

molecule: ## all Molecule scenarios, or one: make molecule SCENARIO=standalone
	$(LAB) test $(if $(SCENARIO),--scenario $(SCENARIO),molecule)

docs: ## the reference of modules and roles, into build/docs
	$(LAB) docs

schema-docs: ## docs/configuration.md out of the schemas, and the roles' README.md out of their options
	$(LAB) tool python docs/generate.py

clean: ## take away all that the other targets made
	$(LAB) clean
