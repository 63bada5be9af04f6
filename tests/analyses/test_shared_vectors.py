from __future__ import annotations

import numpy as np

from objectspace.analyses.shared_vectors import SharedVectors, count_shared, vector_keys


def test_only_objects_of_one_photo_share_a_vector() -> None:
    photo = np.array(list("aaaabbbb"))
    label = np.array(["cup", "cup", "fork", "cup", "cup", "fork", "fork", "fork"])
    # In photo a two cups share one vector; in b a cup shares one with a fork, and -0 is 0.
    vectors = np.float32([[1, 0], [1, 0], [2, 0], [3, 0], [1, 0], [1, -0.0], [2, 0], [4, 0]])
    assert count_shared(vector_keys(vectors), photo, label) == SharedVectors(objects=4, labels=2)
    assert count_shared(vector_keys(vectors[[0, 2, 3]]), photo[:3], label[:3]) == SharedVectors(0, 0)
