"""The rule modules: each public function made by `@rule` is a named fault."""
