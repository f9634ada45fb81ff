"""How often mangled diffs are applied exactly, refused, or applied wrongly: gitagent beside other appliers."""
