"""The figure of a tree: every column named once, every operator shown."""

import scikan as kn


def test_a_tree_is_drawn():
    column = lambda name: kn.Tree("column", column=name)
    inner = kn.Tree("general", (column("a"), column("b")), inner="product")
    tree = kn.Tree("sum", (inner, column("c"), kn.Tree("joint", (column("d"), column("e")))))
    figure = kn.plot_tree(tree, title="f")
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert texts.count("F") == 1
    assert {"a", "b", "c", "d", "e", "+", "×", "?", "f"} <= set(texts)
    figure.canvas.draw()
    box = figure.bbox
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        assert box.x0 <= extent.x0
        assert extent.x1 <= box.x1
        assert box.y0 <= extent.y0
        assert extent.y1 <= box.y1
